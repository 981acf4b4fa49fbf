"""Staff edit their institution and its branches: field by field, guarded by a version, kept by loads of the file."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import Parse
from sqlalchemy import select

from chassis import audit
from chassis.bus import outbox
from chassis.context import READER, Context, system
from chassis.database import blobs
from chassis.database.db import Database
from chassis.errors import Error, Invalid
from chassis.settings import environment_with
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged
from services.catalog.institutions.descriptions import edited_fields, value_of, version_of
from services.catalog.institutions.edits import edit_branch, edit_institution, put_picture, remove_picture
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import EditedField, LoadCounts, load_institutions
from services.catalog.items.states import follow_rules
from services.catalog.pictures import renditions_of
from services.catalog.tables import Branch, Institution, Record
from tests.builders import book
from tests.conftest import CHECKOUT
from tests.services.catalog.conftest import Importer
from tests.services.catalog.institutions.test_pictures import clear_png, encoded

FILE = """
[[institution]]
code = "PKS"
zone = "Asia/Jakarta"
name = { id = "Perpustakaan Kota Solok", en = "Solok City Library" }
phone = "0755 20123"
photos = ["depan.jpg"]

[[institution.branch]]
code = "PST"
name = { id = "Pusat", en = "Main" }
photo = "depan.jpg"
position = { latitude = -0.7893, longitude = 100.6543 }

[[institution]]
code = "UMMY"
zone = "Asia/Jakarta"
name = { id = "Universitas", en = "University" }
"""
PHONE = {"phone": "0755 99999"}


@pytest.fixture
def load(database: Database, tmp_path: Path) -> Callable[..., LoadCounts]:
    """Loads a file, by default FILE."""
    (tmp_path / "depan.jpg").write_bytes(encoded(size=(200, 100)))

    def load(text: str = FILE, *, replace: bool = False) -> LoadCounts:
        path = tmp_path / "institutions.toml"
        path.write_text(text)
        with database.transaction(system("test")) as session:
            return load_institutions(session, read_institutions(path), context=system("test"), replace=replace)

    load()
    return load


@pytest.fixture
def manager(database: Database, load: Callable[..., LoadCounts]) -> Context:
    return Context(institution=institution_id(database, "PKS"), actor="account-1")


def institution_id(database: Database, code: str) -> str:
    with database.reading(READER) as session:
        return str(session.scalars(select(Institution.id).where(Institution.code == code)).one())


def place(database: Database, branch: str = "") -> Any:
    with database.reading(READER) as session:
        table, code = (Branch, branch) if branch else (Institution, "PKS")
        return session.scalars(select(table).where(table.code == code)).one()


def edit(database: Database, caller: Context, version: int, code: str = "PKS", **values: Any) -> int:
    with database.transaction(caller) as session:
        return version_of(edit_institution(session, code, version, values, context=caller))


def edit_pst(database: Database, caller: Context, version: int, **values: Any) -> int:
    with database.transaction(caller) as session:
        return version_of(edit_branch(session, "PKS", "PST", version, values, context=caller))


def put(
    database: Database, caller: Context, version: int, *, kind: str = "logo", branch: str = "", content: bytes = b""
) -> tuple[str, int]:
    renditions = renditions_of(kind, content or clear_png(200))
    with database.transaction(caller) as session:
        return put_picture(session, "PKS", branch, version, kind, renditions, context=caller)


def refusal(call: Any, *args: Any, **values: Any) -> Error:
    with pytest.raises(Error) as refused:
        call(*args, **values)
    return refused.value


def test_an_edit_changes_what_it_names_and_is_audited_and_published(database: Database, manager: Context) -> None:
    with database.transaction(system("test")) as session:
        before = len(outbox.unpublished(session, limit=10))
    links = [{"kind": "instagram", "url": "https://instagram.example/solok"}]
    assert edit(database, manager, 1, **PHONE, links=links, motto={"id": "Dekat", "en": "Close"}) == 2
    row = place(database)
    assert value_of(row, "phone") == "+6275599999"
    assert value_of(row, "links") == links
    assert value_of(row, "name")["en"] == "Solok City Library"
    assert edited_fields(row) == ["links", "motto", "phone"]
    with database.reading(system("test")) as session:
        (act,) = session.execute(select(audit.acts)).all()
        changes = [Parse(event.body, InstitutionsChanged()) for event in outbox.unpublished(session, limit=10)]
    assert (act.act, act.actor, act.object) == ("catalog.edit_institution", "account-1", str(row.id))
    assert json.loads(act.facts)["phone"] == ["+6275520123", "+6275599999"]
    assert [copy.code for copy in changes[before].institutions] == ["PKS"]


def test_the_colour_of_cards_is_six_hexadecimal_digits(database: Database, manager: Context) -> None:
    assert edit(database, manager, 1, card_colour=" #F2C230 ") == 2
    assert value_of(place(database), "card_colour") == "#f2c230"
    for wrong in ("red", "#fff", "#12345g", "#1234567"):
        assert refusal(edit, database, manager, 2, card_colour=wrong).reason == "DETAIL_COLOUR"
    assert edit(database, manager, 2, card_colour="") == 3


def test_an_edit_that_changes_nothing_leaves_no_trace(database: Database, manager: Context) -> None:
    assert edit(database, manager, 1, phone="(0755) 20123") == 1
    with database.reading(system("test")) as session:
        assert session.execute(select(audit.acts)).all() == []


def test_an_edit_of_an_old_version_says_what_has_changed_since(database: Database, manager: Context) -> None:
    edit(database, manager, 1, **PHONE)
    edit(database, manager, 2, motto={"id": "Dekat", "en": "Close"})
    problem = refusal(edit, database, manager, 1, address="Jl. Contoh 2")
    assert problem.reason == "VERSION_OUTDATED"
    assert (problem.facts["version"], problem.facts["given"]) == (3, 1)
    assert problem.facts["changed"] == ["motto", "phone"]
    assert value_of(place(database), "address") == ""


def test_of_two_managers_who_save_at_once_one_is_refused(database: Database, manager: Context) -> None:
    start, results = threading.Barrier(2), []

    def save(number: int) -> None:
        start.wait()
        try:
            results.append(edit(database, manager, 1, phone=f"0755 2000{number}"))
        except Error as problem:
            results.append(problem.reason)

    threads = [threading.Thread(target=save, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == [2, "VERSION_OUTDATED"]


def test_a_manager_of_another_institution_changes_nothing(database: Database, manager: Context) -> None:
    other = Context(institution=institution_id(database, "UMMY"), actor="account-2")
    for call in (edit, edit_pst):
        assert refusal(call, database, other, 1, **PHONE).reason == "INSTITUTION_NOT_YOURS"
    assert refusal(put, database, other, 1).reason == "INSTITUTION_NOT_YOURS"
    assert refusal(edit, database, manager, 1, code="NSL", **PHONE).reason == "INSTITUTION_NOT_FOUND"
    assert value_of(place(database), "phone") == "+6275520123"


def test_every_wrong_field_of_an_edit_is_named_at_once(database: Database, manager: Context) -> None:
    values = {"phone": "12", "kelurahan": "Nagari", "email": "solok", "address": "a\nb\nc\nd\ne\nf"}
    with database.transaction(manager) as session, pytest.raises(Invalid) as refused:
        edit_institution(session, "PKS", 0, values, context=manager)
    assert {str(refusal.facts["field"]): refusal.reason for refusal in refused.value.refusals} == {
        "phone": "DETAIL_PHONE",
        "email": "DETAIL_EMAIL",
        "address": "DETAIL_TEXT_LINES",
    }


def test_hostile_texts_are_stored_as_they_are(database: Database, manager: Context) -> None:
    texts = [
        "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "{{ 7*7 }}", "{% raw %}", "${7*7}", "%(a)s",
        "{0}",
        "'; DROP TABLE institutions; --", "' OR 1=1 --", "\\", "\\u0000", "%00", "&lt;b&gt;", "</title>", "]]>", "<!--",
        "javascript:alert(1)", "=cmd|' /C calc'!A1", "@SUM(1)", "../../etc/passwd", "a" * 80, "null", "None",
        "-1", "1e309", "0x41", "𝕻𝖊𝖗𝖕𝖚𝖘", "ﬁ", "ẞ", "İstanbul", "ᥫ᭡", "Ｐｅｒｐｕｓ", "نگری", "日本語", "é", "👩‍👩‍👧",
        "a,b;c|d",
        "`id`", "$(id)", "<svg/onload=alert(1)>",
    ]  # fmt: skip
    assert len(texts) == 40
    for version, some in enumerate((texts[:20], texts[20:]), start=1):
        services = [{"id": text, "en": text} for text in some]
        edit_pst(database, manager, version, services=services)
        assert value_of(place(database, "PST"), "services") == services


def test_a_branch_takes_services_accessibility_and_words_of_its_photo_and_forgets_its_position(
    database: Database, manager: Context
) -> None:
    assert value_of(place(database, "PST"), "position") == {"latitude": -0.7893, "longitude": 100.6543}
    texts = [{"id": "Jalur landai", "en": "Ramp"}]
    edit_pst(database, manager, 1, services=[], accessibility=texts, position=None)
    row = place(database, "PST")
    assert (value_of(row, "accessibility"), value_of(row, "position")) == (texts, None)
    edit_pst(database, manager, 2, photo_alt={"id": "Rak anak", "en": ""})
    assert value_of(place(database, "PST"), "photo_alt") == {"id": "Rak anak", "en": ""}
    assert refusal(edit_pst, database, manager, 3, photo_alt={"id": "a" * 201, "en": ""}).reason == "DETAIL_TEXT_LONG"
    assert refusal(edit_pst, database, manager, 3, services=texts * 21).reason == "DETAIL_LIST"
    assert refusal(edit_pst, database, manager, 3, short_name=texts[0]).reason == "DETAIL_UNKNOWN"


def test_another_photo_of_a_branch_leaves_no_description_of_the_one_before(
    database: Database, manager: Context
) -> None:
    words, nothing = {"id": "Rak anak", "en": "Children's shelves"}, {"id": "", "en": ""}
    of_file = encoded(size=(200, 100))
    version = edit_pst(database, manager, 1, photo_alt=words)
    _, version = put(database, manager, version, kind="photo", branch="PST", content=of_file)
    assert value_of(place(database, "PST"), "photo_alt") == words
    file_id, version = put(database, manager, version, kind="photo", branch="PST", content=encoded(size=(70, 70)))
    assert value_of(place(database, "PST"), "photo_alt") == nothing
    with database.transaction(manager) as session:
        version = remove_picture(session, "PKS", "PST", version, file_id, context=manager)
    # A description that is written before the upload belongs to the photo that comes.
    version = edit_pst(database, manager, version, photo_alt=words)
    put(database, manager, version, kind="photo", branch="PST", content=of_file)
    assert value_of(place(database, "PST"), "photo_alt") == words


def test_another_photo_in_the_file_leaves_no_description_of_the_one_before(
    database: Database, load: Callable[..., LoadCounts], tmp_path: Path
) -> None:
    words = '\nphoto_alt = { id = "Rak anak", en = "Shelves" }'
    photo = 'photo = "depan.jpg"'
    load(FILE.replace(photo, photo + words))
    (tmp_path / "rak.jpg").write_bytes(encoded(size=(70, 70)))
    load(FILE.replace(photo, 'photo = "rak.jpg"'))
    assert value_of(place(database, "PST"), "photo_alt") == {"id": "", "en": ""}
    load(FILE.replace(photo, photo + words))
    assert value_of(place(database, "PST"), "photo_alt") == {"id": "Rak anak", "en": "Shelves"}


def test_a_new_name_of_a_branch_follows_to_its_records(
    import_: Importer, database: Database, load: Callable[..., LoadCounts], manager: Context
) -> None:
    import_([book("1", items=[("PST", "B1")]), book("2", items=[("PST", "B2")])])
    edit_pst(database, manager, place(database, "PST").version, name={"id": "Balai", "en": "Hall"})
    assert follow_rules(database, system("test"), threading.Event()) == 2
    with database.reading(READER) as session:
        names = [orjson.loads(text)[0]["branch_name"]["id"] for text in session.scalars(select(Record.holdings))]
    assert names == ["Balai", "Balai"]
    assert follow_rules(database, system("test"), threading.Event()) == 0


class TestLoads:
    def test_a_load_keeps_what_staff_have_edited_and_names_it(
        self, database: Database, manager: Context, load: Callable[..., LoadCounts]
    ) -> None:
        edit(database, manager, 1, **PHONE, address="Jl. Contoh 2")
        counts = load(FILE.replace('"Main"', '"Central"'))
        assert counts.edited == [EditedField("PKS", "", "phone")]
        assert value_of(place(database), "phone") == "+6275599999"
        assert value_of(place(database), "address") == "Jl. Contoh 2"
        assert place(database, "PST").name_en == "Central"
        assert counts.changed == 1

    def test_with_replace_the_file_has_the_last_word_and_later_loads_too(
        self, database: Database, manager: Context, load: Callable[..., LoadCounts]
    ) -> None:
        edit(database, manager, 1, **PHONE, address="Jl. Contoh 2")
        assert load(replace=True).edited == [EditedField("PKS", "", "phone")]
        assert value_of(place(database), "phone") == "+6275520123"
        assert value_of(place(database), "address") == "Jl. Contoh 2"
        assert edited_fields(place(database)) == ["address"]
        assert load(FILE.replace("20123", "20124")).edited == []
        assert value_of(place(database), "phone") == "+6275520124"

    def test_the_same_file_again_changes_nothing(self, load: Callable[..., LoadCounts]) -> None:
        assert load().changed == 0

    def test_a_field_that_a_file_names_no_longer_stays_and_an_empty_one_goes(
        self, database: Database, load: Callable[..., LoadCounts]
    ) -> None:
        load(FILE.replace('phone = "0755 20123"\n', ""))
        assert value_of(place(database), "phone") == "+6275520123"
        load(FILE.replace("0755 20123", "").replace('photos = ["depan.jpg"]', "photos = []"))
        assert value_of(place(database), "phone") == ""
        assert value_of(place(database), "photos") == []

    def test_a_picture_of_staff_stays(
        self, database: Database, manager: Context, load: Callable[..., LoadCounts]
    ) -> None:
        file_id, _ = put(database, manager, 1, kind="photo", content=encoded(size=(90, 90)))
        assert load().edited == [EditedField("PKS", "", "photos")]
        assert file_id in value_of(place(database), "photos")
        load(replace=True)
        assert file_id not in value_of(place(database), "photos")

    @pytest.mark.parametrize(
        ("old", "new", "expected"),
        [
            ("0755 20123", "nol", "institution PKS: phone: “nol” is not a phone number"),
            ("latitude = -0.7893", "latitude = 91", "branch PKS/PST: position needs latitude from -90 to 90"),
            ('phone = "', 'links = { website = "ftp://a.example" }\nphone = "', "links.website: “ftp://a.example”"),
            ('phone = "', 'telephone = "', "There is no field “telephone”"),
            ("depan.jpg", "belakang.jpg", "belakang.jpg cannot be read: No such file"),
            ("depan.jpg", "../depan.jpg", "is not in the folder of the institutions file"),
            ("depan.jpg", "/etc/hostname", "is not in the folder of the institutions file"),
            ("depan.jpg", "institutions.toml", "is not JPEG, PNG or WebP"),
            ('photos = ["depan.jpg"]', "photos = 3", "photos must be a list"),
            ('photo = "depan.jpg"', "photo = 3", "photo must be a list"),
        ],
    )
    def test_a_bad_value_says_where_and_what(self, tmp_path: Path, old: str, new: str, expected: str) -> None:
        (tmp_path / "depan.jpg").write_bytes(encoded(size=(200, 100)))
        path = tmp_path / "institutions.toml"
        path.write_text(FILE.replace(old, new))
        problem = refusal(read_institutions, path)
        assert problem.reason == "INSTITUTIONS_FILE"
        assert expected in problem.sentence.en
        assert problem.facts["why"].id != problem.facts["why"].en


class TestPictures:
    def test_a_logo_replaces_the_one_before_which_stays_readable_for_a_day(
        self, database: Database, manager: Context
    ) -> None:
        first, version = put(database, manager, 1)
        second, version = put(database, manager, version, content=encoded("PNG", (64, 64)))
        assert value_of(place(database), "logo") == second
        with database.reading(READER) as session:
            assert blobs.get(session, first).width == 200
        with database.transaction(manager) as session:
            old = blobs.clock.now() - 2 * blobs.KEPT
            session.execute(blobs.blobs.update().where(blobs.blobs.c.dropped_at.is_not(None)).values(dropped_at=old))
        assert remove(database, manager, version, second) == version + 1
        with database.reading(READER) as session:
            assert refusal(blobs.get, session, first).reason == "FILE_NOT_FOUND"
            assert blobs.get(session, second)
        assert value_of(place(database), "logo") == ""

    def test_a_branch_has_a_photo_and_no_logo(self, database: Database, manager: Context) -> None:
        assert refusal(put, database, manager, 1, branch="PST").reason == "PICTURE_PLACE"
        file_id, version = put(database, manager, 1, kind="photo", branch="PST", content=encoded(size=(70, 70)))
        assert value_of(place(database, "PST"), "photo") == file_id
        assert remove(database, manager, version, file_id, branch="PST") == version + 1
        assert refusal(remove, database, manager, version + 1, file_id, branch="PST").reason == "FILE_NOT_FOUND"

    def test_an_institution_has_eight_photos(self, database: Database, manager: Context) -> None:
        version = 1
        for number in range(7):
            content = encoded(size=(50 + number, 50))
            _, version = put(database, manager, version, kind="photo", content=content)
        assert len(value_of(place(database), "photos")) == 8
        again, version = put(database, manager, version, kind="photo", content=content)
        assert value_of(place(database), "photos")[-1] == again
        problem = refusal(put, database, manager, version, kind="photo", content=encoded(size=(99, 50)))
        assert problem.reason == "PHOTOS_FULL"

    def test_a_photo_that_a_branch_shows_too_stays_in_use(self, database: Database, manager: Context) -> None:
        (shared,) = value_of(place(database), "photos")
        assert value_of(place(database, "PST"), "photo") == shared
        remove(database, manager, 1, shared)
        with database.reading(READER) as session:
            assert session.scalars(select(blobs.blobs.c.dropped_at).where(blobs.blobs.c.id == shared)).all() == [None]

    def test_another_process_shows_a_new_logo_at_once(self, database: Database, manager: Context) -> None:
        file_id, _ = put(database, manager, 1)
        program = (
            "import sys; from chassis.database.blobs import get; from chassis.context import READER;"
            "from chassis.database.db import Database; from services.catalog.tables import Institution;"
            "from sqlalchemy import select\n"
            "with Database(sys.argv[1]).reading(READER) as session:\n"
            "    details = session.scalars(select(Institution.details).where(Institution.code == 'PKS')).one()\n"
            "    print(sys.argv[2] in details, get(session, sys.argv[2], width=90).width)"
        )
        url = database.url.render_as_string(hide_password=False)
        command = [sys.executable, "-P", "-c", program, url, file_id]
        result = subprocess.run(command, env=environment_with(), cwd=CHECKOUT, capture_output=True, text=True)
        assert result.stdout.split() == ["True", "96"], result.stderr


def remove(database: Database, caller: Context, version: int, file_id: str, *, branch: str = "") -> int:
    with database.transaction(caller) as session:
        return remove_picture(session, "PKS", branch, version, file_id, context=caller)
