"""Templates of institutions: versions, previews, and separation of institutions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis import audit
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Error, Invalid, NotFound, Outdated
from chassis.service import Resources
from chassis.settings import load
from chassis.urls import resolve
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.notifications.v1 import templates_pb2 as wire
from services.notifications.institutions import copy_institutions
from services.notifications.service import SERVICE
from services.notifications.templates.kinds import CHANNELS, KINDS
from services.notifications.templates.store import render
from tests.migrated import MigratedDatabases

PKS = UUID("0192f3a4-0000-7000-8000-000000000001")
UNAND = UUID("0192f3a4-0000-7000-8000-000000000002")
TEST = system("test")
WHERE = {"kind": "due_soon", "channel": "sms", "language": "id"}
BODY = 'Ingat: "{{ title }}" kembali {{ due_on|date }}.\n'
FACTS = {"title": "Kemarau", "due_on": "2026-11-24", "institution_name": "Perpustakaan"}


class GrpcContext:
    """The part of a call's context that servicers use."""

    def __init__(self, context: Context) -> None:
        self.rangkiang = context


class Editor:
    """Calls the servicer as a manager of an institution."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        settings = load({"DATA": str(folder / "var")})
        self.servicer: Any = resolve(SERVICE.rpc)(Resources(settings, database, SERVICE))

    def call(self, method: str, request: Any, *, institution: UUID = PKS, key: str = "") -> Any:
        caller = Context(
            institution=str(institution),
            actor="account",
            key=key or str(uuid.uuid4()),
            method=f"/rangkiang.notifications.v1.Notifications/{method}",
        )
        return getattr(self.servicer, method)(request, GrpcContext(caller))

    def put(self, body: str = BODY, *, version: int = 0, institution: UUID = PKS, key: str = "") -> wire.Template:
        request = wire.PutTemplateRequest(**WHERE, version=version, text=wire.TemplateText(body=body))
        template: wire.Template = self.call("PutTemplate", request, institution=institution, key=key).template
        return template

    def text(self, institution: UUID) -> str:
        with self.database.reading(TEST) as session:
            return render(session, institution_id=institution, facts=FACTS, **WHERE).text


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def editor(request: pytest.FixtureRequest, migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Editor]:
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        with database.transaction(TEST) as session:
            copy_institutions(session, [institution(PKS, "PKS"), institution(UNAND, "UNAND")])
        yield Editor(database, tmp_path)


def institution(institution_id: UUID, code: str) -> InstitutionCopy:
    name = LocalText(id=f"Perpustakaan {code}", en=f"{code} Library")
    return InstitutionCopy(id=str(institution_id), version=1, code=code, name=name, zone="Asia/Jakarta")


def reason(call: Callable[[], Any]) -> str:
    with pytest.raises(Error) as refused:
        call()
    return refused.value.reason


def test_a_saved_template_is_in_force_for_its_institution_alone(editor: Editor) -> None:
    before = editor.text(UNAND)
    assert editor.put().version == 1
    assert editor.text(PKS) == 'Ingat: "Kemarau" kembali Selasa, 24 November 2026.'
    assert editor.text(UNAND) == before


def test_the_seed_is_version_zero_and_every_version_stays(editor: Editor) -> None:
    editor.put()
    editor.put(BODY + "\nSalam\n", version=1)
    reply = editor.call("ListTemplateVersions", wire.ListTemplateVersionsRequest(**WHERE))
    assert [version.version for version in reply.versions] == [2, 1, 0]
    assert reply.versions[1].text.body == BODY
    assert reply.versions[1].saved_by == "account"
    assert reply.versions[1].HasField("saved_at")
    assert not reply.versions[2].HasField("saved_at")


def test_a_return_to_an_earlier_version_is_a_new_version(editor: Editor) -> None:
    editor.put()
    editor.put("{{ title }} {{ due_on }}\n", version=1)
    request = wire.RestoreTemplateRequest(**WHERE, version=2, earlier=1)
    assert editor.call("RestoreTemplate", request).template.text.body == BODY
    request = wire.RestoreTemplateRequest(**WHERE, version=3, earlier=0)
    assert "mohon dikembalikan" in editor.call("RestoreTemplate", request).template.text.body
    with pytest.raises(NotFound, match="TEMPLATE_VERSION_UNKNOWN"):
        editor.call("RestoreTemplate", wire.RestoreTemplateRequest(**WHERE, version=4, earlier=9))


def test_a_template_that_somebody_else_has_changed_is_not_replaced(editor: Editor) -> None:
    editor.put()
    with pytest.raises(Outdated):
        editor.put("{{ title }} {{ due_on }}", version=0)


def test_the_same_text_saves_nothing_and_a_repeated_key_saves_once(editor: Editor) -> None:
    assert editor.put(key="once").version == 1
    assert editor.put(key="once").version == 1
    assert editor.put(version=1).version == 1


def test_a_faulty_template_is_refused_with_the_name_and_the_line_and_nothing_is_saved(editor: Editor) -> None:
    with pytest.raises(Invalid) as refused:
        editor.put("{{ title }}\n{{ due_on }}\n{{ alamat }}")
    facts = refused.value.facts
    assert (facts["field"], facts["line"], facts["name"]) == ("body", 3, "alamat")
    assert "alamat" in refused.value.sentence.id
    reply = editor.call("ListTemplates", wire.ListTemplatesRequest())
    assert not reply.saved


def test_saving_is_audited_without_the_text(editor: Editor) -> None:
    editor.put()
    with editor.database.reading(TEST) as session:
        rows = session.execute(select(audit.acts.c.act, audit.acts.c.actor, audit.acts.c.facts)).all()
    ((act, actor, facts),) = rows
    assert (act, actor) == ("notifications.save_template", "account")
    assert "due_soon/sms/id" in facts
    assert "Ingat" not in facts


def test_kinds_are_listed_with_their_variables(editor: Editor) -> None:
    editor.put()
    reply = editor.call("ListTemplates", wire.ListTemplatesRequest())
    assert {kind.name for kind in reply.kinds} == set(KINDS)
    assert tuple(reply.channels) == CHANNELS
    (saved,) = reply.saved
    assert (saved.kind, saved.channel, saved.language, saved.version) == ("due_soon", "sms", "id", 1)
    (due_soon,) = (kind for kind in reply.kinds if kind.name == "due_soon")
    required = {variable.name for variable in due_soon.variables if variable.is_required}
    assert required == {"title", "due_on"}


def test_a_preview_shows_an_unsaved_text_with_the_institution_and_real_values(editor: Editor) -> None:
    request = wire.PreviewNoticeRequest(
        **WHERE,
        text=wire.TemplateText(body="{{ institution_name }}: {{ title }}, {{ due_on|date }}"),
        facts={"title": "Kemarau", "due_on": "2026-12-01", "unknown": "x"},
    )
    reply = editor.call("PreviewNotice", request, institution=UNAND)
    assert reply.text == "Perpustakaan UNAND: Kemarau, Selasa, 1 Desember 2026"
    assert (reply.sms_length, reply.sms_messages) == (len(reply.text), 1)


def test_a_preview_without_a_text_shows_that_in_force(editor: Editor) -> None:
    editor.put()
    assert editor.call("PreviewNotice", wire.PreviewNoticeRequest(**WHERE)).text.startswith("Ingat")
    mail = wire.PreviewNoticeRequest(kind="due_soon", channel="email", language="en")
    reply = editor.call("PreviewNotice", mail)
    assert "<html" in reply.html
    assert reply.subject == "A library book is due on Tuesday, 24 November 2026"
    whatsapp = wire.PreviewNoticeRequest(kind="due_soon", channel="whatsapp", language="id")
    assert list(editor.call("PreviewNotice", whatsapp).provider.parameters)[1:3] == [
        "Merantau ke Deli",
        "Selasa, 24 November 2026",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"kind": "x"}, "NOTICE_KIND_UNKNOWN"),
        ({"channel": "fax"}, "TEMPLATE_CHANNEL_UNKNOWN"),
        ({"language": "nl"}, "TEMPLATE_LANGUAGE_UNKNOWN"),
        ({"facts": {"due_on": "besok"}}, "NOTICE_FACT_INVALID"),
        ({"facts": {"title": "x" * 501}}, "NOTICE_FACT_INVALID"),
        ({"facts": {"title": ""}}, "NOTICE_FACT_MISSING"),
    ],
)
def test_an_unknown_or_unreadable_template_is_refused(editor: Editor, values: dict[str, Any], expected: str) -> None:
    request = wire.PreviewNoticeRequest(**(WHERE | values))
    assert reason(lambda: editor.call("PreviewNotice", request)) == expected
