"""Members: categories, cards and numbers, search words and keyed hashes, evidence, blocks, consents, loans."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Date, ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from chassis import clock
from chassis.database.column_types import BigNumber
from services.members.tables.base import Table


class Category(Table):
    """A category of members of one institution.

    months  months of a membership; 0 for a membership without an end
    kind    person, child, pupil or organisation
    """

    __tablename__ = "categories"
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    position: Mapped[int]
    name_id: Mapped[str]
    name_en: Mapped[str]
    months: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))


class NumberSeries(Table):
    """The series of card numbers of an institution.

    prefix  the first three digits, which no other institution of the installation has
    next    serial number of the next card
    """

    __tablename__ = "number_series"
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"), primary_key=True)
    prefix: Mapped[int] = mapped_column(unique=True)
    next: Mapped[int]


class Member(Table):
    """A member. The row of an erased member stays, without values.

    number          number of the current card; None when the member is erased or merged into another member
    changed_fields  name of a field -> version of its last change
    wrapped_key     the key of the sealed values, wrapped by the master key; empty when erased
    sealed          sealed JSON of the values that only callers with members.contact may read
    open_loans      always 0: revision 0003 replaced this column by member_loans
    open_fees       number of unpaid fees
    """

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("institution_id", "number"),
        Index("members_merged_into", "merged_into"),
        Index("members_guardian", "guardian_id"),
        Index("members_expires", "expires_on"),
        Index("members_changed", "institution_id", "changed_at", "id"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    number: Mapped[str | None] = mapped_column(String(64))
    version: Mapped[int]
    changed_at: Mapped[datetime] = mapped_column(onupdate=clock.now)
    changed_fields: Mapped[dict[str, Any]] = mapped_column(JSON)
    category: Mapped[str] = mapped_column(String(32))
    name: Mapped[str]
    title_before: Mapped[str]
    title_after: Mapped[str]
    language: Mapped[str] = mapped_column(String(2))
    birth_place: Mapped[str]
    birth_year: Mapped[int]
    sex: Mapped[str] = mapped_column(String(8))
    kelurahan: Mapped[str] = mapped_column(String(16))
    occupation: Mapped[str]
    education: Mapped[str]
    school: Mapped[str]
    group: Mapped[str]
    disability: Mapped[str]
    note: Mapped[str]
    guardian_id: Mapped[UUID | None]
    guardian_name: Mapped[str]
    guardian_relation: Mapped[str] = mapped_column(String(16))
    responsible_name: Mapped[str]
    responsible_position: Mapped[str]
    registered_at: Mapped[datetime]
    expires_on: Mapped[date | None] = mapped_column(Date)
    wrapped_key: Mapped[bytes]
    sealed: Mapped[bytes]
    open_loans: Mapped[int]
    open_fees: Mapped[int]
    merged_into: Mapped[UUID | None]
    erased_at: Mapped[datetime | None]


class Card(Table):
    """A card, or a number of another system, exactly as scanned.

    kind      card, old_card, nim, nisn, rfid or other
    state     active, lost or replaced
    qr        the random part of the QR code; empty without a QR code
    """

    __tablename__ = "cards"
    __table_args__ = (
        UniqueConstraint("institution_id", "code"),
        Index("cards_member", "member_id"),
        Index("cards_qr", "qr"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    code: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(16))
    qr: Mapped[bytes] = mapped_column(LargeBinary)
    issued_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class MemberWord(Table):
    """A folded word with which a search finds a member.

    name_key  beginning of the folded name, so that an index lists the members of a word in order of names
    letters   names.letters_of all words of the member, which excludes most members who lack another searched word
    """

    __tablename__ = "member_words"
    __table_args__ = (Index("member_words_member", "member_id"),)
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(String(32), primary_key=True)
    name_key: Mapped[str] = mapped_column(String(24), primary_key=True)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"), primary_key=True)
    letters: Mapped[int] = mapped_column(BigNumber, server_default="0")


class MemberLookup(Table):
    """A keyed hash of a sealed value, with which a search for the value finds the member.

    kind  nik, phone, email or birth_date; import: a hash of name, birth date, contact and class of an import row that
          has neither number nor NIK
    """

    __tablename__ = "member_lookups"
    __table_args__ = (Index("member_lookups_member", "member_id"),)
    institution_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"), primary_key=True)


class Evidence(Table):
    """An identity document of a member: its kind, who saw it, and when."""

    __tablename__ = "evidence"
    __table_args__ = (Index("evidence_member", "member_id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[str] = mapped_column(String(32))
    seen_by: Mapped[str] = mapped_column(String(128))
    at: Mapped[datetime]


class Block(Table):
    """A reason why a member may not borrow.

    ends_on   last day; None when only staff can end the block
    ended_at  when staff ended it before that day
    """

    __tablename__ = "blocks"
    __table_args__ = (Index("blocks_member", "member_id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    reason: Mapped[str] = mapped_column(String(32))
    note: Mapped[str]
    by: Mapped[str] = mapped_column(String(128))
    at: Mapped[datetime]
    ends_on: Mapped[date | None] = mapped_column(Date)
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str] = mapped_column(String(128))


class ExpiryStep(Table):
    """A step before the end of a membership whose event was emitted. The row is deleted after the end."""

    __tablename__ = "expiry_steps"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    expires_on: Mapped[date] = mapped_column(Date, primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    institution_id: Mapped[UUID]


class MemberLoan(Table):
    """An open loan, copied from circulation. A returned loan stays a while, so that an older event cannot reopen it.

    member_id      the kept member for a loan of a merged member; None after the return
    due_on         due date in the zone of the lending branch
    state_version  state version of the item after the act; an older event changes nothing
    copied_at      time of the last write of this row
    """

    __tablename__ = "member_loans"
    __table_args__ = (
        Index("member_loans_member", "member_id", "due_on"),
        Index("member_loans_returned", "returned_at"),
    )
    loan_id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID | None]
    due_on: Mapped[date | None] = mapped_column(Date)
    state_version: Mapped[int]
    copied_at: Mapped[datetime]
    returned_at: Mapped[datetime | None]


class Consent(Table):
    """A consent that was given or withdrawn. For each purpose the latest row is valid."""

    __tablename__ = "consents"
    __table_args__ = (Index("consents_member", "member_id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    purpose: Mapped[str] = mapped_column(String(32))
    text_version: Mapped[str] = mapped_column(String(32))
    given: Mapped[bool]
    how: Mapped[str] = mapped_column(String(16))
    by_guardian: Mapped[bool]
    by: Mapped[str] = mapped_column(String(128))
    at: Mapped[datetime]


class DataRequest(Table):
    """A member's request about their own data. After an erasure the row still has the times of request and answer.

    kind        access, correction or erasure
    how         as in consents
    text        the member's words, sealed under their key; may be empty
    answer      the library's answer, sealed under the same key; may be empty
    outcome     done or refused; "" while it is open
    due_at      72 hours after `received_at` (UU PDP 27/2022)
    """

    __tablename__ = "data_requests"
    __table_args__ = (
        Index("data_requests_member", "member_id"),
        Index("data_requests_open", "institution_id", "outcome", "due_at"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    member_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[str] = mapped_column(String(16))
    how: Mapped[str] = mapped_column(String(16))
    by_guardian: Mapped[bool]
    text: Mapped[bytes]
    received_at: Mapped[datetime]
    due_at: Mapped[datetime]
    recorded_by: Mapped[str] = mapped_column(String(128))
    outcome: Mapped[str] = mapped_column(String(16))
    answer: Mapped[bytes]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[str] = mapped_column(String(128))


class Merge(Table):
    """A membership that was merged into another of the same person.

    number  number of the merged member before the merge
    moved   table -> ids of the rows that moved to the kept member
    """

    __tablename__ = "merges"
    __table_args__ = (Index("merges_kept", "kept_id"), Index("merges_merged", "merged_id"))
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    kept_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    merged_id: Mapped[UUID] = mapped_column(ForeignKey("members.id"))
    number: Mapped[str] = mapped_column(String(64))
    moved: Mapped[dict[str, Any]] = mapped_column(JSON)
    at: Mapped[datetime]
    by: Mapped[str] = mapped_column(String(128))
    undone_at: Mapped[datetime | None]


class Tombstone(Table):
    """An erased member, so that a restored backup erases them again."""

    __tablename__ = "tombstones"
    member_id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID]
    version: Mapped[int]
    at: Mapped[datetime]
