"""Registration, reading and changes of members."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import Error, Invalid, NotFound, Outdated, Refusal, Refused
from chassis.ids import parse_id, parse_or_nil
from chassis.security.encryption import MasterKey
from rangkiang.members.v1 import people_pb2 as wire
from services.members.people import categories, drafts, duplicates, events, loans, names, numbers, sealed, values
from services.members.people.rules import MemberInputs, refusals
from services.members.people.values import Rejected
from services.members.tables import (
    Account,
    Block,
    Card,
    Category,
    Consent,
    Evidence,
    Member,
    MemberLookup,
    MemberWord,
    Merge,
)

MOST_ALIASES, MOST_ROWS = 10, 20
# With one of these reasons a request is invalid (400); with others it is refused (409).
_UNREADABLE = frozenset(
    (
        "MEMBER_FIELD_TOO_LONG", "MEMBER_FIELD_UNREADABLE", "MEMBER_FIELD_NOT_A_CHOICE", "MEMBER_NAME_MISSING",
        "MEMBER_NAME_WITHOUT_LETTERS", "NIK_INVALID", "PHONE_INVALID", "EMAIL_INVALID", "BIRTH_DATE_INVALID",
        "END_DATE_INVALID", "KELURAHAN_INVALID", "CARD_NUMBER_INVALID", "CATEGORY_UNKNOWN", "GUARDIAN_UNKNOWN",
        "MEMBER_TOO_MANY",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewMember:
    """The desk's data of a new member.

    fields     name of a field -> value as typed
    number     number of an earlier system; "" for the institution's next number
    aliases    (kind, code) of numbers of other systems
    evidence   kinds of identity documents that the caller has seen
    confirmed  ids of likely duplicates that are other people
    """

    fields: Mapping[str, str]
    number: str = ""
    aliases: Sequence[tuple[str, str]] = ()
    evidence: Sequence[str] = ()
    consents: Sequence[wire.Consent] = ()
    confirmed: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Details:
    """A member with their rows. contact: the sealed values; None for callers without members.contact."""

    member: Member
    category: Category | None
    cards: list[Card]
    blocks: list[Block]
    evidence: list[Evidence]
    consents: list[Consent]
    merges: list[Merge]
    contact: dict[str, str] | None
    loan_counts: loans.LoanCounts


def register(session: Session, new: NewMember, *, context: Context, master: MasterKey) -> Member:
    """Register a member with a card.

    raises  Invalid  with a refusal for each value that cannot be stored
            Refused  GUARDIAN_MISSING, RESPONSIBLE_MISSING, NIK_IN_USE, CARD_NUMBER_IN_USE, MEMBER_LIKELY_DUPLICATE
    emits   MembersChanged, MemberRegistered
    """
    institution_id = parse_id(context.institution)
    cleaned, problems = values.clean({"name": "", **new.fields})
    cleaned = with_titles_apart(cleaned, new.fields)
    number, aliases, code_problems = _clean_codes(new)
    problems += code_problems + _check_lists(new.evidence, new.consents)
    numbers.lock(session, institution_id)
    rows = categories.fill(session, institution_id)
    category = categories.find_category(rows, cleaned.get("category", ""))
    if category is None:
        problems.append(categories.unknown_category(rows, cleaned.get("category", "")))
    else:
        today = clock.now().date()
        problems += refusals(MemberInputs("", cleaned, category, today))
    problems += _check_guardian(session, institution_id, cleaned)
    hashes = sealed.hashes_of(cleaned, institution_id=institution_id, master=master)
    problems += check_unique(session, institution_id, hashes, [number, *aliases])
    if "name" in cleaned:
        likely = duplicates.find_duplicates(session, institution_id, cleaned, hashes)
        problems += [duplicate.refusal() for duplicate in likely if str(duplicate.member_id) not in new.confirmed]
    raise_all(problems)
    assert category is not None
    now = clock.now()
    ends = cleaned.get("expires_on", "")
    row = drafts.draft(
        cleaned, institution_id=institution_id, master=master, at=now, hashes=hashes,
        expires_on=date.fromisoformat(ends) if ends else categories.end_of(category, now.date()),
    )  # fmt: skip
    owner = {"institution_id": institution_id, "member_id": row.member["id"]}
    row.member["number"] = number or numbers.take_numbers(session, institution_id, 1)[0]
    kind = "old_card" if number else "card"
    row.cards = [
        drafts.card_row(row.member["number"], kind, at=now, has_qr=True, **owner),
        *(drafts.card_row(code, kind, at=now, **owner) for code, kind in aliases.items()),
    ]
    row.evidence = drafts.evidence_rows(new.evidence, by=context.actor, at=now, **owner)
    row.consents = drafts.consent_rows(new.consents, by=context.actor, at=now, **owner)
    drafts.write(session, [row])
    member = session.get_one(Member, row.member["id"])
    audit.record(
        session, context, "members.register", kind="member", object_id=member.id,
        facts={"category": member.category, "evidence": list(new.evidence), "confirmed": sorted(new.confirmed)},
    )  # fmt: skip
    events.emit_changed(session, [member], context)
    events.emit_registered(session, member, context)
    return member


def change(
    session: Session, member_id: str, version: int, fields: Mapping[str, str], *, evidence: Sequence[str] = (),
    consents: Sequence[wire.Consent] = (), context: Context, master: MasterKey,
) -> Member:  # fmt: skip
    """Change the given fields of a member.

    version  the version that the caller has read
    raises   NotFound  MEMBER_NOT_FOUND
             Outdated  VERSION_OUTDATED  with the fields that changed since
             Invalid, Refused  like `register`
    emits    MembersChanged
    """
    member = locked(session, member_id)
    if version != member.version:
        changed = sorted(name for name, at in member.changed_fields.items() if at > version)
        raise Outdated.at_version(member.version, given=version, changed=changed, changed_at=member.changed_at)
    cleaned, problems = values.clean(fields)
    cleaned = with_titles_apart(cleaned, fields)
    problems += _check_lists(evidence, consents) + drafts.refuse_many_consents(session, member.id, consents)
    before = drafts.all_values(member, master)
    after = before | cleaned
    rows = categories.fill(session, member.institution_id)
    category = categories.find_category(rows, after["category"])
    if category is None:
        problems.append(categories.unknown_category(rows, after["category"]))
    elif cleaned:  # a consent alone is stored even if stored fields break a rule
        problems += refusals(MemberInputs(str(member.id), after, category, clock.now().date()))
    if "guardian_id" in cleaned:
        problems += _check_guardian(session, member.institution_id, cleaned)
    changed = [name for name in after if after[name] != before[name]]
    hashes = sealed.hashes_of(after, institution_id=member.institution_id, master=master)
    if "nik" in changed:
        numbers.lock(session, member.institution_id)
        problems += check_unique(session, member.institution_id, hashes, (), own=member.id)
    raise_all(problems)
    _store(session, member, after, changed, hashes, master)
    now = clock.now()
    owner: dict[str, Any] = {
        "institution_id": member.institution_id, "member_id": member.id, "by": context.actor, "at": now
    }  # fmt: skip
    if evidence:
        session.execute(insert(Evidence), drafts.evidence_rows(evidence, **owner))
        changed.append("evidence")
    if consents:
        session.execute(insert(Consent), drafts.consent_rows(consents, **owner))
        changed.append("consents")
    if changed:
        touch(member, changed)
        moves = {name: [before[name], after[name]] for name in changed if name in after}
        log_change(session, member, changed, moves, context=context, master=master)
        events.emit_changed(session, [member], context)
    return member


def read(session: Session, member_id: str, *, context: Context, master: MasterKey) -> Details:
    """Return a member with their rows. Raises NotFound MEMBER_NOT_FOUND."""
    member = get(session, member_id)
    rows: dict[Any, list[Any]] = {}
    for table, order in ((Card, Card.issued_at), (Evidence, Evidence.at), (Consent, Consent.at)):
        rows[table] = list(session.scalars(select(table).where(table.member_id == member.id).order_by(order, table.id)))
    merges = session.scalars(
        select(Merge).where(Merge.kept_id == member.id, Merge.undone_at.is_(None)).order_by(Merge.at)
    )
    return Details(
        member=member,
        category=session.get(Category, (member.institution_id, member.category)),
        cards=rows[Card],
        blocks=events.open_blocks(session, [member.id]),
        evidence=rows[Evidence],
        consents=rows[Consent],
        merges=list(merges),
        contact=sealed.open_values(member, master) if "members.contact" in context.scopes else None,
        loan_counts=loans.counts_of(session, member),
    )


def get(session: Session, member_id: str) -> Member:
    """Return a member of the transaction's institution, also a merged member.

    raises  NotFound  MEMBER_NOT_FOUND  also for a member of another institution and for an erased member
    """
    return _found(session, member_id)


def locked(session: Session, member_id: str) -> Member:
    """Return a member, locked for a change.

    raises  NotFound  MEMBER_NOT_FOUND
            Refused   MEMBER_MERGED  with the id of the kept member
    """
    member = _found(session, member_id, lock=True)
    if member.merged_into is not None:
        raise Refused("MEMBER_MERGED", into=str(member.merged_into))
    return member


def _found(session: Session, member_id: str, *, lock: bool = False) -> Member:
    member = session.get(Member, parse_or_nil(member_id), with_for_update=lock or None)
    if member is None or member.erased_at is not None:
        raise NotFound("MEMBER_NOT_FOUND", id=member_id[:40])
    return member


def touch(member: Member, changed: Iterable[str]) -> None:
    """Increase the version of a member, and store the names of the changed fields."""
    member.version += 1
    member.changed_at = clock.now()
    member.changed_fields = {**member.changed_fields, **dict.fromkeys(changed, member.version)}


def write_values(
    session: Session, member: Member, before: dict[str, str], after: dict[str, str], context: Context,
    master: MasterKey,
) -> None:  # fmt: skip
    """Write and record the changed values of a member; for imports, which have checked the values."""
    changed = [name for name in after if after[name] != before.get(name, "")]
    hashes = sealed.hashes_of(after, institution_id=member.institution_id, master=master)
    _store(session, member, after, changed, hashes, master)
    touch(member, changed)
    moves = {name: [before.get(name, ""), after[name]] for name in changed}
    log_change(session, member, changed, moves, context=context, master=master)


def log_change(
    session: Session, member: Member, changed: Sequence[str], moves: Mapping[str, Sequence[str]], *,
    context: Context, master: MasterKey,
) -> None:  # fmt: skip
    """Record a change in the audit: the names of fields, and old and new values, sealed under the member's key."""
    sealed_moves = sealed.key_of(member, master).seal(json.dumps(moves).encode(), use="audit")
    facts_of_change = {"changed": sorted(changed), "version": member.version}
    audit.record(
        session, context, "members.change", kind="member", object_id=member.id, facts=facts_of_change,
        sealed=sealed_moves,
    )  # fmt: skip


def raise_all(problems: Sequence[Refusal]) -> None:
    """Raise all refusals together, if there are any: Invalid if one of them is about an invalid value, else Refused."""
    if problems:
        unreadable = any(refusal.reason in _UNREADABLE for refusal in problems)
        kind: type[Error] = Invalid if unreadable else Refused
        raise kind(refusals=tuple(problems))


def with_titles_apart(fields: dict[str, str], typed: Mapping[str, str]) -> dict[str, str]:
    """Move titles from the name to their fields, unless the request has values for those fields."""
    if "name" not in fields:
        return fields
    before, name, after = names.split_titles(fields["name"])
    fields = {**fields, "name": name}
    for field_name, title in (("title_before", before), ("title_after", after)):
        if title and not typed.get(field_name):
            fields[field_name] = title
    return fields


def _clean_codes(new: NewMember) -> tuple[str, dict[str, str], list[Refusal]]:
    """Return the number, the aliases as code -> kind, and the refusals of invalid ones."""
    number, aliases = "", dict[str, str]()
    problems: list[Refusal] = []
    if len(new.aliases) > MOST_ALIASES:
        problems.append(Refusal("MEMBER_TOO_MANY", field="aliases", most=MOST_ALIASES))
    try:
        number = values.card_number(new.number) if new.number.strip() else ""
    except Rejected as problem:
        problems.append(Refusal(problem.reason, field="number", **problem.facts))
    for kind, code in new.aliases[:MOST_ALIASES]:
        try:
            aliases[values.card_number(code)] = values.choice(values.ALIASES)(kind) or "other"
        except Rejected as problem:
            problems.append(Refusal(problem.reason, field="aliases", **problem.facts))
    aliases.pop(number, None)
    return number, aliases, problems


def _check_lists(evidence: Sequence[str], consents: Sequence[wire.Consent]) -> list[Refusal]:
    problems = []
    for name, rows in (("evidence", evidence), ("consents", consents)):
        if len(rows) > MOST_ROWS:
            problems.append(Refusal("MEMBER_TOO_MANY", field=name, most=MOST_ROWS))
    if not set(evidence) <= set(values.EVIDENCE):
        problems.append(Refusal("MEMBER_FIELD_NOT_A_CHOICE", field="evidence", choices=[*values.EVIDENCE]))
    for consent in consents[:MOST_ROWS]:
        if consent.how not in values.CONSENT_WAYS:
            choices = [*values.CONSENT_WAYS]
            problems.append(Refusal("MEMBER_FIELD_NOT_A_CHOICE", field="consents.how", choices=choices))
        for part, value in (("purpose", consent.purpose), ("text_version", consent.text_version)):
            if not value or not values.is_code(value):
                problems.append(Refusal("MEMBER_FIELD_UNREADABLE", field=f"consents.{part}"))
    return problems


def _check_guardian(session: Session, institution_id: UUID, given: Mapping[str, str]) -> list[Refusal]:
    guardian_id = given.get("guardian_id")
    if not guardian_id:
        return []
    guardian = session.get(Member, UUID(guardian_id))
    if guardian is None or guardian.erased_at is not None or guardian.institution_id != institution_id:
        return [Refusal("GUARDIAN_UNKNOWN", field="guardian_id")]
    return []


def check_unique(
    session: Session, institution_id: UUID, hashes: Mapping[str, bytes], codes: Sequence[str],
    *, own: UUID | None = None,
) -> list[Refusal]:  # fmt: skip
    """Refuse a national identity number, a card number or an alias that another member has."""
    problems = []
    if "nik" in hashes:
        lookup = MemberLookup
        holder = session.scalar(
            select(Member).join(lookup, lookup.member_id == Member.id).where(
                lookup.institution_id == institution_id, lookup.kind == "nik", lookup.hash == hashes["nik"],
                lookup.member_id != (own or UUID(int=0)),
            )
        )  # fmt: skip
        if holder is not None:
            problems.append(Refusal("NIK_IN_USE", field="nik", member=str(holder.id), number=holder.number or "–"))
    wanted = [code for code in codes if code]
    if wanted:
        taken = session.execute(
            select(Card.member_id, Member.number)
            .join(Member, Member.id == Card.member_id)
            .where(Card.institution_id == institution_id, Card.code.in_(wanted))
        )
        problems += [
            Refusal("CARD_NUMBER_IN_USE", member=str(row.member_id), number=row.number or "–") for row in taken
        ]
    return problems


def _store(
    session: Session, member: Member, after: dict[str, str], changed: list[str], hashes: dict[str, bytes],
    master: MasterKey,
) -> None:  # fmt: skip
    """Write the changed values of a member to its row, its sealed values, its search words and its keyed hashes."""
    for name in set(changed) & set(drafts.COLUMNS):
        setattr(member, name, after[name])
    member.language = after["language"] or "id"
    member.guardian_id = UUID(after["guardian_id"]) if after["guardian_id"] else None
    member.expires_on = date.fromisoformat(after["expires_on"]) if after["expires_on"] else None
    owner = {"institution_id": member.institution_id, "member_id": member.id}
    if "name" in changed:
        session.execute(update(Account).where(Account.id == member.id).values(name=after["name"]))
    if any(drafts.is_sealed(name) for name in changed):
        member.sealed = sealed.seal(after, sealed.key_of(member, master))
        if "birth_date" in changed:
            member.birth_year = int(after["birth_date"][:4]) if after["birth_date"] else 0
        session.execute(delete(MemberLookup).where(MemberLookup.member_id == member.id, MemberLookup.kind != "import"))
        rows = drafts.lookup_rows(hashes, **owner)
        if rows:
            session.execute(insert(MemberLookup), rows)
    if {"name", "school", "group", "responsible_name"} & set(changed):
        session.execute(delete(MemberWord).where(MemberWord.member_id == member.id))
        rows = drafts.word_rows(after, **owner)
        if rows:
            session.execute(insert(MemberWord), rows)


def of_institution(context: Context, institution_id: UUID) -> Context:
    """Return the context for rows and events of one institution."""
    return replace(context, institution=str(institution_id))
