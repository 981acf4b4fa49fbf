"""Preferences of members: which notices they want, over which channels. The most specific answer decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_for
from chassis.errors import Invalid
from services.notifications.tables import Preference
from services.notifications.templates.kinds import CHANNELS, KINDS

ALL = "all"
# The channels of CHANNELS that a member may choose among; staff print letters when no channel reaches a member.
_SENT_OVER = tuple(channel for channel in CHANNELS if channel != "print")
Answers = Mapping[tuple[str, str], bool]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer for a kind and a channel; "all" means every kind or channel."""

    kind: str
    channel: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Choices:
    """The kinds and the channels that a member wants."""

    kinds: tuple[str, ...]
    channels: tuple[str, ...]


def kinds() -> list[str]:
    """List the kinds that members may stop. A code is always sent, because somebody has requested it."""
    return [kind.name for kind in KINDS.values() if not kind.is_family and not kind.has_code]


def allows(answers: Answers, kind: str, channel: str) -> bool:
    """Return whether a member wants a kind, and the digest of its family, over a channel; without answers True."""
    family = KINDS[kind].family if kind in KINDS else ""
    return _allows_one(answers, kind, channel) and (not family or _allows_one(answers, family, channel))


def _allows_one(answers: Answers, kind: str, channel: str) -> bool:
    for key in ((kind, channel), (kind, ALL), (ALL, channel), (ALL, ALL)):
        if key in answers:
            return answers[key]
    return True


def answers_of(session: Session, member_ids: Sequence[UUID]) -> dict[UUID, dict[tuple[str, str], bool]]:
    """Return member -> answers, as (kind, channel) -> allowed."""
    answers: dict[UUID, dict[tuple[str, str], bool]] = {member_id: {} for member_id in member_ids}
    query = select(Preference.member_id, Preference.kind, Preference.channel, Preference.allowed)
    for member_id, kind, channel, allowed in session.execute(query.where(Preference.member_id.in_(list(answers)))):
        answers[member_id][kind, channel] = allowed
    return answers


def list_answers(session: Session, member_id: UUID) -> list[Answer]:
    """Return the answers of a member, in order of kind and channel."""
    query = select(Preference).where(Preference.member_id == member_id).order_by(Preference.kind, Preference.channel)
    return [Answer(row.kind, row.channel, row.allowed) for row in session.scalars(query)]


def replace_answers(session: Session, member_id: UUID, institution_id: UUID, answers: Iterable[Answer]) -> None:
    """Replace all answers of a member.

    raises  Invalid  NOTICE_KIND_UNKNOWN, NOTICE_CHANNEL_UNKNOWN
    """
    answers_by_key = {(answer.kind, answer.channel): answer for answer in answers}
    for answer in answers_by_key.values():
        _check(answer.kind, answer.channel)
    session.execute(delete(Preference).where(Preference.member_id == member_id))
    rows = [_row(member_id, institution_id, answer) for answer in answers_by_key.values()]
    if rows:
        session.execute(insert(Preference), rows)


def choices_of(answers: Answers, offered: Sequence[str]) -> Choices:
    """Return the switches that answers come to.

    A kind is wanted if it is allowed over at least one channel that the library offers, apart from answers for a
    channel and all kinds. A channel is wanted unless it is refused for every wanted kind; without a wanted kind, unless
    it is refused for all kinds.
    offered  channels of the library; empty: every channel counts for kinds
    """
    of_kinds = {key: allowed for key, allowed in answers.items() if key[0] != ALL or key == (ALL, ALL)}
    wanted_kinds = [
        kind for kind in kinds() if any(allows(of_kinds, kind, channel) for channel in offered or _SENT_OVER)
    ]
    wanted_channels = [
        channel
        for channel in offered
        if any(allows(answers, kind, channel) for kind in wanted_kinds)
        or (not wanted_kinds and answers.get((ALL, channel), True))
    ]
    return Choices(tuple(wanted_kinds), tuple(wanted_channels))


def choose(answers: Answers, choices: Choices, offered: Sequence[str]) -> list[Answer]:
    """Return the answers after switches are set. A kind and channel whose switches stay as they are keep their answer.

    raises  Invalid  NOTICE_KIND_UNKNOWN, NOTICE_CHANNEL_UNKNOWN
    """
    for kind in choices.kinds:
        _check(kind, ALL)
    for channel in choices.channels:
        _check(ALL, channel)
    before = choices_of(answers, offered)

    def is_allowed(kind: str, channel: str) -> bool:
        if kind not in choices.kinds or (channel in offered and channel not in choices.channels):
            return False
        if channel in offered and (kind not in before.kinds or channel not in before.channels):
            return True
        return allows(answers, kind, channel) or kind not in before.kinds

    refused = {kind: [channel for channel in _SENT_OVER if not is_allowed(kind, channel)] for kind in kinds()}
    some = [kind for kind in refused if kind in choices.kinds]
    everywhere = {channel for channel in _SENT_OVER if some and all(channel in refused[kind] for kind in some)}
    everywhere |= {channel for channel in offered if channel not in choices.channels}
    chosen = [Answer(kind, ALL, False) for kind in refused if kind not in choices.kinds]
    chosen += [Answer(ALL, channel, False) for channel in _SENT_OVER if channel in everywhere]
    chosen += [Answer(kind, channel, False) for kind in some for channel in refused[kind] if channel not in everywhere]
    if not some and not answers.get((ALL, ALL), True):
        chosen.append(Answer(ALL, ALL, False))
    # Letters are no choice of the page, so an answer about them stays.
    letters = [Answer(kind, channel, allowed) for (kind, channel), allowed in answers.items() if channel == "print"]
    return chosen + letters


def opt_out(session: Session, member_id: UUID, institution_id: UUID, *, kind: str, channel: str) -> None:
    """End notices of a kind over a channel; "all" for every kind or channel. Answers that allow them are deleted.

    kind    a digest stands for the kinds that it holds, because members choose among those
    raises  Invalid  NOTICE_KIND_UNKNOWN, NOTICE_CHANNEL_UNKNOWN
    """
    _check(kind, channel)
    for member_kind in _chosen_kinds(kind):
        _end(session, member_id, institution_id, kind=member_kind, channel=channel)


def restrict_answers(session: Session, kept_id: UUID, merged_id: UUID) -> None:
    """Replace the kept member's answers, so that only notices that both members want are allowed.

    The merged member's answers stay. If the merged member has none, nothing changes.
    """
    answers = answers_of(session, [kept_id, merged_id])
    if not answers[merged_id]:
        return
    institution_id = session.scalar(select(Preference.institution_id).where(Preference.member_id == merged_id).limit(1))
    assert institution_id is not None
    both = stricter_answers(answers[kept_id], answers[merged_id])
    session.execute(delete(Preference).where(Preference.member_id == kept_id))
    rows = [_row(kept_id, institution_id, Answer(kind, channel, both[kind, channel])) for kind, channel in both]
    if rows:
        session.execute(insert(Preference), rows)


def stricter_answers(first: Answers, second: Answers) -> dict[tuple[str, str], bool]:
    """Return the smallest set of answers that allows exactly what both sets allow."""
    named = [*first, *second]
    kinds = [ALL, *sorted({kind for kind, _ in named} - {ALL})]
    channels = [ALL, *sorted({channel for _, channel in named} - {ALL})]
    # From the most general to the most specific, so that redundant answers are left out.
    keys = [
        *((ALL, channel) for channel in channels),
        *((kind, ALL) for kind in kinds[1:]),
        *((kind, channel) for kind in kinds[1:] for channel in channels[1:]),
    ]
    both: dict[tuple[str, str], bool] = {}
    for key in keys:
        allowed = _allows_one(first, *key) and _allows_one(second, *key)
        if _allows_one(both, *key) != allowed:
            both[key] = allowed
    return both


def _chosen_kinds(kind: str) -> list[str]:
    held = [held_kind.name for held_kind in KINDS.values() if held_kind.family == kind]
    return held if kind in KINDS and KINDS[kind].is_family else [kind]


def _end(session: Session, member_id: UUID, institution_id: UUID, *, kind: str, channel: str) -> None:
    of_member = Preference.member_id == member_id
    if channel == ALL:
        session.execute(delete(Preference).where(of_member, *([Preference.kind == kind] if kind != ALL else [])))
    elif kind == ALL:
        # An answer for one kind would decide before the new answer.
        session.execute(delete(Preference).where(of_member, Preference.channel == channel))
        allowed = select(Preference.kind).where(of_member, Preference.channel == ALL, Preference.allowed)
        kinds_allowed = [name for name in session.scalars(allowed) if name != ALL]
        if kinds_allowed:
            answers = [_row(member_id, institution_id, Answer(name, channel, False)) for name in kinds_allowed]
            session.execute(insert(Preference), answers)
    row = _row(member_id, institution_id, Answer(kind, channel, False))
    statement = insert_for(session, Preference).values(**row)
    keys = ["member_id", "kind", "channel"]
    changed = {name: row[name] for name in ("allowed", "changed_at")}
    session.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))


def _check(kind: str, channel: str) -> None:
    if kind != ALL and kind not in kinds() and not (kind in KINDS and KINDS[kind].is_family):
        raise Invalid("NOTICE_KIND_UNKNOWN", kind=kind[:32])
    if channel != ALL and channel not in CHANNELS:
        raise Invalid("NOTICE_CHANNEL_UNKNOWN", channel=channel[:16], known=[*CHANNELS])


def _row(member_id: UUID, institution_id: UUID, answer: Answer) -> dict[str, object]:
    return {
        "member_id": member_id,
        "kind": answer.kind,
        "channel": answer.channel,
        "institution_id": institution_id,
        "allowed": answer.allowed,
        "changed_at": clock.now(),
    }
