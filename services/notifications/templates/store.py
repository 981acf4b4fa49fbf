"""Stored templates of institutions in every saved version, and rendering with the newest version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.sql import insert_for
from chassis.errors import Invalid, NotFound, Outdated
from services.notifications.tables import TemplateVersion
from services.notifications.templates.kinds import CHANNELS, LANGUAGES, Source, seed
from services.notifications.templates.rendering import Rendered, kind_of, refuse_faulty, render_source

MOST_VERSIONS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class TemplateKey:
    """The key of a template of an institution: a known kind of notice, channel and language."""

    kind: str
    channel: str
    language: str


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A version of a template. Version 0 is the default template, which nobody has saved."""

    key: TemplateKey
    version: int
    source: Source
    saved_by: str = ""
    saved_at: datetime | None = None


def template_key(kind: str, channel: str, language: str) -> TemplateKey:
    """Return the key of a template.

    raises  Invalid  NOTICE_KIND_UNKNOWN, TEMPLATE_CHANNEL_UNKNOWN, TEMPLATE_LANGUAGE_UNKNOWN
    """
    kind_of(kind)
    if channel not in CHANNELS:
        raise Invalid("TEMPLATE_CHANNEL_UNKNOWN", channel=channel)
    if language not in LANGUAGES:
        raise Invalid("TEMPLATE_LANGUAGE_UNKNOWN", language=language)
    return TemplateKey(kind, channel, language)


def render(
    session: Session,
    *,
    institution_id: UUID,
    kind: str,
    channel: str,
    language: str,
    facts: Mapping[str, Any],
    unsubscribe_url: str = "",
) -> Rendered:
    """Render a notice with the institution's template in force.

    language  "id" or "en"; other values mean "id"
    facts     see `rendering.render_source`
    raises    Invalid  NOTICE_KIND_UNKNOWN, TEMPLATE_CHANNEL_UNKNOWN, and errors of `rendering.render_source`
    """
    key = template_key(kind, channel, language if language in LANGUAGES else "id")
    # Read once for all messages that are rendered in one transaction.
    sources: dict[tuple[UUID, TemplateKey], Source] = session.info.setdefault("sources", {})
    source = sources.get((institution_id, key))
    if source is None:
        source = sources[institution_id, key] = template_in_force(session, institution_id, key).source
    return render_source(
        source,
        kind=kind_of(kind),
        channel=channel,
        language=key.language,
        facts=facts,
        unsubscribe_url=unsubscribe_url,
    )


def template_in_force(session: Session, institution_id: UUID, key: TemplateKey) -> StoredTemplate:
    """Return the newest version of an institution, or the default template as version 0."""
    row = session.scalar(_of(institution_id, key).order_by(TemplateVersion.version.desc()).limit(1))
    if row is None:
        return _seed(key)
    return StoredTemplate(key, row.version, _source(row), row.saved_by, row.saved_at)


def saved_versions(session: Session, institution_id: UUID) -> dict[TemplateKey, int]:
    """Return the newest version number of each template that an institution has saved."""
    rows = session.execute(
        select(
            TemplateVersion.kind, TemplateVersion.channel, TemplateVersion.language, func.max(TemplateVersion.version)
        )
        .where(TemplateVersion.institution_id == institution_id)
        .group_by(TemplateVersion.kind, TemplateVersion.channel, TemplateVersion.language)
    )
    return {TemplateKey(kind, channel, language): version for kind, channel, language, version in rows}


def list_versions(session: Session, institution_id: UUID, key: TemplateKey) -> list[StoredTemplate]:
    """Return the versions of a template, the newest first. The last is the default template unless the list is full."""
    rows = session.scalars(
        _of(institution_id, key).order_by(TemplateVersion.version.desc()).limit(MOST_VERSIONS_SHOWN)
    ).all()
    saved = [StoredTemplate(key, row.version, _source(row), row.saved_by, row.saved_at) for row in rows]
    return saved if len(saved) == MOST_VERSIONS_SHOWN else [*saved, _seed(key)]


def save_template(
    session: Session, institution_id: UUID, key: TemplateKey, source: Source, *, version: int, context: Context
) -> StoredTemplate:
    """Save a template as a new version. A text that equals the one in force changes nothing.

    version  the version that the caller has read
    raises   Invalid   with every fault of the text, see `rendering.refuse_faulty`
             Outdated  VERSION_OUTDATED  another change was first
    """
    refuse_faulty(source, kind_of(key.kind), key.channel)
    current = template_in_force(session, institution_id, key)
    if version != current.version:
        raise _outdated(current, given=version)
    if source == current.source:
        return current
    saved = StoredTemplate(key, current.version + 1, source, context.actor, clock.now())
    values = {
        "institution_id": institution_id,
        "kind": key.kind,
        "channel": key.channel,
        "language": key.language,
        "version": saved.version,
        "subject": source.subject,
        "body": source.body,
        "provider": {
            "name": source.provider_name,
            "language": source.provider_language,
            "parameters": list(source.provider_parameters),
        },
        "saved_by": saved.saved_by,
        "saved_at": saved.saved_at,
    }
    insert = insert_for(session, TemplateVersion).values(values).on_conflict_do_nothing()
    if session.execute(insert.returning(TemplateVersion.version)).first() is None:
        raise _outdated(template_in_force(session, institution_id, key), given=version)
    place = f"{key.kind}/{key.channel}/{key.language}"
    facts = {"template": place, "version": saved.version}
    audit.record(
        session, context, "notifications.save_template", kind="template", object_id=institution_id, facts=facts
    )
    return saved


def restore_template(
    session: Session, institution_id: UUID, key: TemplateKey, *, version: int, earlier: int, context: Context
) -> StoredTemplate:
    """Save an earlier version again, as the newest version.

    version  the version that the caller has read
    earlier  the version to restore; 0 is the default template
    raises   NotFound  TEMPLATE_VERSION_UNKNOWN
             Invalid, Outdated  like `save_template`; variables of an earlier release may be unknown now
    """
    if earlier == 0:
        return save_template(session, institution_id, key, seed_of(key), version=version, context=context)
    row = session.scalars(_of(institution_id, key).where(TemplateVersion.version == earlier)).first()
    if row is None:
        raise NotFound("TEMPLATE_VERSION_UNKNOWN", version=earlier)
    return save_template(session, institution_id, key, _source(row), version=version, context=context)


def seed_of(key: TemplateKey) -> Source:
    return seed(key.kind, key.channel, key.language)


def _seed(key: TemplateKey) -> StoredTemplate:
    return StoredTemplate(key, 0, seed_of(key))


def _of(institution_id: UUID, key: TemplateKey) -> Any:
    return select(TemplateVersion).where(
        TemplateVersion.institution_id == institution_id,
        TemplateVersion.kind == key.kind,
        TemplateVersion.channel == key.channel,
        TemplateVersion.language == key.language,
    )


def _source(row: Any) -> Source:
    return Source(
        subject=row.subject,
        body=row.body,
        provider_name=row.provider["name"],
        provider_language=row.provider["language"],
        provider_parameters=tuple(row.provider["parameters"]),
    )


def _outdated(current: StoredTemplate, *, given: int) -> Outdated:
    changed_at = current.saved_at or clock.now()
    return Outdated.at_version(current.version, given=given, changed=["body"], changed_at=changed_at)
