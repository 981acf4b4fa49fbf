"""Models and examples of the routes of members."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StrictBool, WithJsonSchema

from gateway.api.queries import QueryModel, WholeNumber, number, text
from gateway.api.schemas import ID_PATTERN, ResponseModel, Text
from rangkiang.members.v1 import people_pb2 as wire

MEMBER_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
# The gateway does not check the form: the service refuses an id that is not a member of the caller's institution (404).
MemberId = Annotated[
    str,
    Path(description="A member's identifier (UUID).", examples=[MEMBER_ID_EXAMPLE]),
    WithJsonSchema({"type": "string", "pattern": ID_PATTERN}),
]
# The service checks lengths and names the field; this limit only bounds the size of its input.
_LONGEST = 4_000


def _text(description: str, example: str, *, longest: int = 400) -> Any:
    return Field(default=None, description=description, max_length=longest, examples=[example])


def _private(description: str, example: str, *, longest: int = 400) -> Any:
    return Field(default=None, description=description, max_length=longest, examples=[example], repr=False)


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GuardianBody(Body):
    """The guardian of a child: a member, or a person by name."""

    member_id: str | None = _text("Id of a member of the same institution.", MEMBER_ID_EXAMPLE, longest=64)
    name: str | None = _text("Name of a guardian who is not a member.", "Rahmawati")
    relation: str | None = _text("Relation: mother, father, relative, school or other.", "mother", longest=40)
    phone: str | None = _private("Phone number; sealed.", "0812 6600 1133", longest=64)


class ResponsibleBody(Body):
    """The person who is responsible for an organisation."""

    name: str | None = _text("Name.", "Yusmaniar")
    position: str | None = _text("Position.", "Kepala sekolah")
    phone: str | None = _private("Phone number; sealed.", "0752 71234", longest=64)


class AliasBody(Body):
    """A number of another system that identifies the member."""

    kind: str = Field(
        "other", description="Kind: old_card, nim, nisn, rfid or other.", max_length=40, examples=["nisn"]
    )
    code: str = Field(description="The number, exactly as scanned.", max_length=200, examples=["0051234567"])


class ConsentBody(Body):
    """A consent that was given or withdrawn."""

    purpose: str = Field(description="Purpose of the consent.", max_length=64, examples=["loan_history"])
    text_version: str = Field(description="Version of the text that was read.", max_length=64, examples=["2026-11"])
    given: StrictBool = Field(description="True for a consent, false for its withdrawal.", examples=[True])
    how: str = Field("desk", description="Origin: desk, form, web or slip.", max_length=40, examples=["desk"])
    by_guardian: StrictBool = Field(False, description="True when the guardian answered.", examples=[False])


class MemberBody(Body):
    """Fields of a member. In a change, an absent field does not change; null or an empty text clears the field."""

    category: str | None = _text("Code of a category of the institution.", "umum", longest=64)
    name: str | None = _text("Full name; titles in it are moved to the title fields.", "Hj. Siti Rahma, S.Pd.")
    title_before: str | None = _text("Titles before the name.", "Hj.")
    title_after: str | None = _text("Titles after the name.", "S.Pd.")
    language: str | None = _text("Language of messages: id or en.", "id", longest=40)
    birth_place: str | None = _text("Place of birth.", "Solok")
    birth_date: str | None = _private("Date of birth, ISO 8601; sealed.", "1988-03-12", longest=40)
    sex: str | None = _text("Sex: female or male.", "female", longest=40)
    nik: str | None = _private("National identity number, 16 digits; sealed.", "1372015203880001", longest=64)
    phone: str | None = _private("Phone number in any usual form; sealed as E.164.", "0812 6600 1122", longest=64)
    email: str | None = _private("E-mail address; sealed.", "siti@example.org")
    address: str | None = _private("Address; sealed.", "Jl. Pandan 4, Solok", longest=_LONGEST)
    kelurahan: str | None = _text("Kelurahan, by its Kemendagri code.", "13.72.01.1001", longest=40)
    occupation: str | None = _text("Occupation.", "Guru")
    education: str | None = _text("Education: none, sd, smp, sma, d1 to d4, s1 to s3 or other.", "s1", longest=40)
    school: str | None = _text("School or university.", "SMAN 1 Solok")
    group: str | None = _text("Class or study programme.", "XI IPA 2")
    disability: str | None = _text("Disability, if the member mentions one.", "low vision")
    expires_on: str | None = _text("Last day of the membership, ISO 8601.", "2028-11-26", longest=40)
    note: str | None = _text("Note for desk staff.", "Calls before coming.", longest=4 * _LONGEST)
    guardian: GuardianBody | None = Field(None, description="Guardian of a child.", examples=[{"name": "Rahmawati"}])
    responsible: ResponsibleBody | None = Field(
        None, description="Person responsible for an organisation.", examples=[{"name": "Yusmaniar"}]
    )

    def message(self) -> wire.MemberFields:
        """Return the fields that the request has, as a message."""
        fields: dict[str, Any] = {}
        for name in self.model_fields_set & set(MemberBody.model_fields):
            value = getattr(self, name)
            if name == "guardian":
                fields[name] = wire.Guardian(**(value.model_dump(exclude_none=True) if value else {}))
            elif name == "responsible":
                fields[name] = wire.Responsible(**(value.model_dump(exclude_none=True) if value else {}))
            else:
                fields[name] = value or ""
        return wire.MemberFields(**fields)


class ShownBody(MemberBody):
    """Fields, documents that were seen, and consents."""

    evidence: list[str] = Field(
        [],
        description="Documents that staff have seen: ktp, kia, kk, birth_certificate, student_card, passport, "
        "domicile_letter.",
        max_length=20,
        examples=[["ktp"]],
    )
    consents: list[ConsentBody] = Field(
        [],
        description="Consents that the member gave or withdrew.",
        max_length=20,
        examples=[[{"purpose": "loan_history", "text_version": "2026-11", "given": True}]],
    )

    def consent_messages(self) -> list[wire.Consent]:
        return [wire.Consent(**consent.model_dump()) for consent in self.consents]


class NewMemberBody(ShownBody):
    """A new member."""

    number: str = Field(
        "", description="Number of an earlier system; by default the next one.", max_length=200, examples=["A-0012"]
    )
    aliases: list[AliasBody] = Field(
        [],
        description="Numbers of other systems.",
        max_length=20,
        examples=[[{"kind": "nisn", "code": "0051234567"}]],
    )
    confirmed_duplicates: list[str] = Field(
        [],
        description="Ids of likely duplicates that staff have compared: they are other people.",
        max_length=50,
        examples=[[MEMBER_ID_EXAMPLE]],
    )


class ChangedMemberBody(ShownBody):
    """Changed fields of a member."""


class SearchBody(Body):
    """A search by values that must not be in a URL: words, a phone number, an e-mail address or a NIK."""

    q: str = Field("", description="Words of the name, a number, or a phone number.", max_length=200, examples=["siti"])
    nik: str = Field("", description="National identity number.", max_length=64, examples=[""], repr=False)
    phone: str = Field("", description="Phone number.", max_length=64, examples=["0812 6600 1122"], repr=False)
    email: str = Field("", description="E-mail address.", max_length=400, examples=[""], repr=False)
    limit: int = Field(20, description="Members on a page.", ge=1, le=50, examples=[20])
    cursor: str = Field("", description="The `next` value of the previous page.", max_length=40, examples=[""])


class MembersQuery(QueryModel):
    q: str = text(
        "Words of the name in any order, a number, school or class. Send personal values to POST /members/search.",
        longest=200,
        example="rahma sman 1",
    )
    limit: Annotated[int, WholeNumber(1, 50)] = number(20, "Members on a page.")
    cursor: str = text("The `next` value of the previous page.", longest=40)


class NewMember(ResponseModel):
    """The new member."""

    id: str
    """Identifier (UUID)."""
    number: str
    """Card number."""
    version: int
    """Version, for If-Match."""
    category: str
    """Code of the category."""
    expires_on: str
    """Last day of the membership, ISO 8601; empty when the membership has no end."""


class ListedMember(ResponseModel):
    """A member in a list."""

    id: str
    """Identifier (UUID)."""
    number: str
    """Card number."""
    name: str
    """Name without titles."""
    title_before: str
    """Titles before the name."""
    title_after: str
    """Titles after the name."""
    category: str
    """Code of the category."""
    school: str
    """School or university."""
    group: str
    """Class or study programme."""
    birth_year: int
    """Year of birth; 0 when unknown."""
    expires_on: str
    """Last day of the membership, ISO 8601; empty when the membership has no end."""
    is_blocked: bool
    """True when a block is in force."""


class FoundMembers(ResponseModel):
    """A page of members."""

    total: int
    """Number of members on all pages, counted up to 200."""
    has_more: bool
    """True when there are more than `total`."""
    hits: list[ListedMember]
    """The members, by name; a member whose number matches the query is first."""
    next: str | None = None
    """Cursor of the next page; absent on the last page."""


class Category(ResponseModel):
    """A category of members."""

    code: str
    """Short code, unique in the institution."""
    name: Text
    """Name."""
    months: int
    """Length of a membership in months; 0 for a membership without an end."""
    kind: Literal["person", "child", "pupil", "organisation"]
    """Kind of member."""


class Categories(ResponseModel):
    total: int
    """Number of categories."""
    hits: list[Category]
    """The categories, in the institution's order."""


class Member(ListedMember):
    """A member with all their data."""

    version: int
    """Version, for If-Match."""
    category_name: Text
    """Name of the category."""
    is_organisation: bool
    """True for an organisation."""
    language: str
    """Language of messages: id or en."""
    birth_place: str
    """Place of birth."""
    sex: str
    """female, male or empty."""
    kelurahan: str
    """Kelurahan, by its Kemendagri code, digits only."""
    occupation: str
    """Occupation."""
    education: str
    """Education."""
    disability: str
    """Disability, if the member mentions one."""
    note: str
    """Notes of the desk staff."""
    guardian: dict[str, str] | None = None
    """The guardian of a child: member_id, name, relation, phone."""
    responsible: dict[str, str] | None = None
    """The responsible person of an organisation: name, position, phone."""
    registered_at: str
    """Time of registration, UTC."""
    blocks: list[dict[str, Any]]
    """Blocks in force: id, reason, note, ends_on, by, at."""
    cards: list[dict[str, Any]]
    """Cards and numbers of other systems: id, code, kind, state, issued_at."""
    evidence: list[dict[str, Any]]
    """Documents that were seen: kind, seen_by, at."""
    consents: list[dict[str, Any]]
    """Consents that were given or withdrawn, the oldest first."""
    contact: dict[str, str] | None = None
    """NIK, phone, email, address and birth_date; only for callers with members.contact."""
    merged_into: str
    """Identifier of the member that this member was merged into; empty when not merged."""
    merges: list[dict[str, Any]]
    """Merges into this member that can be undone: id, merged_id, at."""
    open_loans: int
    """Number of open loans, as reported by circulation."""
    overdue_loans: int
    """Number of open loans that were due before today."""


LISTED_MEMBER_EXAMPLE: dict[str, Any] = {
    "id": MEMBER_ID_EXAMPLE,
    "number": "1000000018",
    "name": "Siti Rahma",
    "title_before": "Hj.",
    "title_after": "S.Pd.",
    "category": "umum",
    "school": "",
    "group": "",
    "birth_year": 1988,
    "expires_on": "2028-11-26",
    "is_blocked": False,
}
MEMBER_EXAMPLE: dict[str, Any] = {
    **LISTED_MEMBER_EXAMPLE,
    "version": 1,
    "category_name": {"id": "Umum", "en": "General public"},
    "is_organisation": False,
    "language": "id",
    "birth_place": "Solok",
    "sex": "female",
    "kelurahan": "1372011001",
    "occupation": "Guru",
    "education": "s1",
    "disability": "",
    "note": "",
    "registered_at": "2026-11-26T03:12:00Z",
    "blocks": [],
    "cards": [{"id": MEMBER_ID_EXAMPLE, "code": "1000000018", "kind": "card", "state": "active"}],
    "evidence": [],
    "consents": [],
    "merged_into": "",
    "merges": [],
    "open_loans": 2,
    "overdue_loans": 1,
}
