"""RPCs for members: registration, reading, changes and search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import grpc
from sqlalchemy.orm import Session

from chassis import rpc
from chassis.audit.access_log import AccessLog
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.errors import Error, Forbidden, Invalid
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.members.v1 import people_pb2 as wire
from services.members.keys import Keys
from services.members.people import categories, sealed, search, standing, store, values
from services.members.people.drafts import COLUMNS
from services.members.people.events import day_text
from services.members.people.store import Details, NewMember
from services.members.tables import Consent

# Columns of a member that a caller reads unchanged.
_SHOWN = [name for name in COLUMNS if name in wire.Member.DESCRIPTOR.fields_by_name]

# Most ids in one call.
_MOST_LISTED = 200


class PeopleMethods:
    """The part of the servicer for members."""

    _database: Database
    _keys: Keys

    @cached_property
    def _access_log(self) -> AccessLog:
        """Records reads of members in the audit."""
        return AccessLog(self._database)

    def RegisterMember(
        self, request: wire.RegisterMemberRequest, context: grpc.ServicerContext
    ) -> wire.RegisterMemberReply:
        # Read before the transaction, because the first member of an installation may need a new master key.
        caller, master = rpc.context(context), self._keys.master
        new = NewMember(
            fields=fields_of(request.fields),
            number=request.number,
            aliases=[(alias.kind, alias.code) for alias in request.aliases],
            evidence=request.evidence,
            consents=request.consents,
            confirmed=frozenset(request.confirmed_duplicates),
        )

        def register() -> wire.RegisterMemberReply:
            member = store.register(session, new, context=caller, master=master)
            return wire.RegisterMemberReply(
                id=str(member.id),
                number=member.number or "",
                version=member.version,
                category=member.category,
                expires_on=day_text(member.expires_on),
            )

        with fields_as_sent(), self._database.transaction(caller) as session:
            return once(session, caller, request, wire.RegisterMemberReply, register)

    @reads
    def GetMember(self, request: wire.GetMemberRequest, session: Session, caller: Context) -> wire.GetMemberReply:
        details = store.read(session, request.id, context=caller, master=self._keys.master)
        shows_nik = request.shows_nik and details.contact is not None
        act = "members.read_nik" if shows_nik else "members.read"
        self._access_log.record(caller, act, kind="member", object_id=details.member.id)
        return wire.GetMemberReply(
            member=member_message(details), was_renewed_today=standing.was_renewed_today(session, details.member)
        )

    @writes
    def ChangeMember(
        self, request: wire.ChangeMemberRequest, session: Session, caller: Context
    ) -> wire.ChangeMemberReply:
        master = self._keys.master
        with fields_as_sent():
            store.change(
                session,
                request.id,
                request.version,
                fields_of(request.fields),
                evidence=request.evidence,
                consents=request.consents,
                context=caller,
                master=master,
            )
        details = store.read(session, request.id, context=caller, master=master)
        return wire.ChangeMemberReply(member=member_message(details))

    @reads
    def SearchMembers(
        self, request: wire.SearchMembersRequest, session: Session, caller: Context
    ) -> wire.SearchMembersReply:
        institution_id, limit = parse_id(caller.institution), request.limit or 20
        hashes = self._hashes(request, caller)
        by = list(hashes or ())
        result = search.Found([], 0, False, "")
        since = rpc.moment_of(request, "updated_since")
        if since is not None:
            if hashes is not None or request.q.strip():
                raise Invalid("SEARCH_BY_CHANGE_ONLY")
            by.append("updated_since")
            result = search.find_changed(session, institution_id, since, limit=limit, cursor=request.cursor)
        else:
            search.read_offset(request.cursor)
        if hashes is not None:
            result = search.find_by_hash(session, institution_id, hashes, limit=limit)
        if request.q.strip() and not result.members:
            by.append("q")
            result = search.find(session, institution_id, request.q, limit=limit, cursor=request.cursor)
        if by:
            # Which values were searched, without the values: a name or a NIK in the audit could not be erased.
            shown = result.members
            member_id = shown[0].id if len(shown) == result.total == 1 else ""
            self._access_log.record_list(
                caller,
                "members.search",
                shown=len(shown),
                member_id=member_id,
                by=by,
                is_continued=bool(request.cursor),
            )
        return wire.SearchMembersReply(
            members=[listed(member, is_blocked=member.is_blocked) for member in result.members],
            total=result.total,
            has_more=result.has_more,
            cursor=result.cursor,
        )

    def _hashes(self, request: wire.SearchMembersRequest, caller: Context) -> dict[str, bytes] | None:
        """Return the keyed hashes of the sealed values in a search; None when there are none.

        raises  Invalid    a value is invalid
                Forbidden  SCOPE_NEEDED  searches by sealed values need members.contact
        """
        typed = {name: getattr(request, name) for name in ("nik", "phone", "email") if getattr(request, name)}
        is_phone = False
        if not typed and request.by_contact:
            phone, _ = values.clean({"phone": request.q})
            is_phone = bool(phone.get("phone"))
            typed = phone if is_phone else {}
        if not typed:
            return None
        if "members.contact" not in caller.scopes:
            if is_phone:
                return None
            raise Forbidden("SCOPE_NEEDED", scope="members.contact")
        stored, problems = values.clean(typed)
        store.raise_all(problems)
        return sealed.hashes_of(stored, institution_id=parse_id(caller.institution), master=self._keys.master)

    @reads
    def ListMembers(
        self, request: wire.ListMembersRequest, session: Session, _caller: Context
    ) -> wire.ListMembersReply:
        ids = [parse_id(text) for text in dict.fromkeys(request.ids[:_MOST_LISTED])]
        members = search.load(session, ids)
        return wire.ListMembersReply(members=[listed(member, is_blocked=member.is_blocked) for member in members])

    def ListCategories(
        self, request: wire.ListCategoriesRequest, context: grpc.ServicerContext
    ) -> wire.ListCategoriesReply:
        caller = rpc.context(context)
        institution_id = parse_id(caller.institution)
        with self._database.reading(caller) as session:
            rows = categories.categories_of(session, institution_id)
        if not rows:
            with self._database.transaction(caller) as session:
                rows = categories.fill(session, institution_id)
        return wire.ListCategoriesReply(
            categories=[
                wire.Category(
                    code=category.code,
                    name=LocalText(id=category.name_id, en=category.name_en),
                    months=category.months,
                    kind=category.kind,
                )
                for category in rows
            ]
        )


def fields_of(message: wire.MemberFields) -> dict[str, str]:
    """Return the fields that are present in a message, by name."""
    fields: dict[str, str] = {}
    for field, value in message.ListFields():
        if field.message_type is None:
            fields[field.name] = value
        else:  # the fields of guardian and responsible: guardian_id, guardian_name …
            fields |= {
                f"{field.name}_{inner.name.removeprefix('member_')}": getattr(value, inner.name)
                for inner in field.message_type.fields
            }
    return fields


@contextmanager
def fields_as_sent() -> Iterator[None]:
    """Name the fields of an error as the request has them: guardian.phone for guardian_phone."""
    try:
        yield
    except Error as error:
        for refusal in error.refusals:
            part, _, name = str(refusal.facts.get("field", "")).partition("_")
            if part in ("guardian", "responsible"):
                refusal.facts["field"] = f"{part}.{'member_id' if name == 'id' else name}"
        raise


def listed(member: Any, *, is_blocked: bool) -> wire.MemberInList:
    """Return the message of a member in a list: of a row of the table, or of `search.load`."""
    return wire.MemberInList(
        id=str(member.id),
        number=member.number or "",
        name=member.name,
        title_before=member.title_before,
        title_after=member.title_after,
        category=member.category,
        school=member.school,
        group=member.group,
        birth_year=member.birth_year,
        expires_on=day_text(member.expires_on),
        is_blocked=is_blocked,
        updated_at=rpc.timestamp(member.changed_at),
        state="erased" if member.erased_at else "merged" if member.merged_into else "current",
        merged_into=str(member.merged_into or ""),
    )


def member_message(details: Details) -> wire.Member:
    """Return the message of a member, with sealed values if the details have them."""
    member, category, contact = details.member, details.category, details.contact
    message = wire.Member(
        id=str(member.id),
        number=member.number or "",
        version=member.version,
        is_organisation=category is not None and category.kind == "organisation",
        birth_year=member.birth_year,
        **{name: getattr(member, name) for name in _SHOWN},
        registered_at=timestamp(member.registered_at),
        expires_on=day_text(member.expires_on),
        merged_into=str(member.merged_into or ""),
        cards=[
            wire.Card(
                id=str(card.id), code=card.code, kind=card.kind, state=card.state, issued_at=timestamp(card.issued_at)
            )
            for card in details.cards
        ],
        blocks=[
            wire.Block(
                id=str(block.id),
                reason=block.reason,
                note=block.note,
                ends_on=day_text(block.ends_on),
                by=block.by,
                at=timestamp(block.at),
            )
            for block in details.blocks
        ],
        evidence=[
            wire.Evidence(kind=seen.kind, seen_by=seen.seen_by, at=timestamp(seen.at)) for seen in details.evidence
        ],
        consents=[consent_message(consent) for consent in details.consents],
        merges=[
            wire.Merge(id=str(merge.id), merged_id=str(merge.merged_id), at=timestamp(merge.at))
            for merge in details.merges
        ],
        open_loans=details.loan_counts.open,
        overdue_loans=details.loan_counts.overdue,
    )
    if category is not None:
        message.category_name.id, message.category_name.en = category.name_id, category.name_en
    if member.guardian_id or member.guardian_name:
        message.guardian.member_id = str(member.guardian_id or "")
        message.guardian.name, message.guardian.relation = member.guardian_name, member.guardian_relation
        message.guardian.phone = (contact or {}).get("guardian_phone", "")
    if member.responsible_name:
        message.responsible.name, message.responsible.position = member.responsible_name, member.responsible_position
        message.responsible.phone = (contact or {}).get("responsible_phone", "")
    if contact is not None:
        message.contact.CopyFrom(
            wire.Contact(**{name: contact[name] for name in ("nik", "phone", "email", "address", "birth_date")})
        )
    return message


def consent_message(consent: Consent) -> wire.Consent:
    return wire.Consent(
        purpose=consent.purpose,
        text_version=consent.text_version,
        given=consent.given,
        how=consent.how,
        by_guardian=consent.by_guardian,
        at=timestamp(consent.at),
    )
