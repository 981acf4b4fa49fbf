"""Models and examples of the routes of institutions and branches."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from pydantic import Field

from chassis.models import Body, ResponseModel
from gateway.api import serializers
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.models import Text, TextBody

# The service checks lengths and names the field; these limits only bound the size of its input.
_LONGEST = 2_000
_MOST = 100
FILE_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class SocialLink(ResponseModel):
    kind: str
    """instagram, facebook, youtube, x, tiktok or website."""
    url: str
    """Address of the page."""


class Contact(ResponseModel):
    """Contact data of a library; unknown parts are empty."""

    address: str
    """Street and number; lines are separated by line feeds."""
    kelurahan: str
    """Kelurahan, desa or nagari, with the rest of the address line."""
    phone: str
    """Phone number, E.164."""
    whatsapp: str
    """WhatsApp number, E.164."""
    email: str
    """E-mail address."""
    links: list[SocialLink]
    """Web site and social media accounts."""


class Position(ResponseModel):
    latitude: float
    """Degrees north, WGS 84."""
    longitude: float
    """Degrees east, WGS 84."""


class Picture(ResponseModel):
    """A logo or a photo."""

    id: str
    """Identifier of the file."""
    url: str
    """URL of the file. `?width=480` selects a rendition that is at least 480 pixels wide, if there is one."""


class Institution(ResponseModel):
    """A library that shares this catalogue."""

    id: str
    """Identifier (UUID)."""
    version: int
    """Version, for If-Match."""
    code: str
    """Short unique code, which filters use."""
    name: Text
    """Name."""
    short_name: Text
    """Short name."""
    motto: Text
    """Motto."""
    kind: str
    """Kind of library: public, school, academic, special, …"""
    npp: str
    """Indonesia's national library number (NPP)."""
    isil: str
    """ISO 15511 identifier."""
    zone: str
    """IANA time zone."""
    contact: Contact
    """Contact data."""
    logo: Picture | None = None
    """Logo; absent when there is none."""
    photos: list[Picture]
    """Photos, in the order in which pages show them."""


class Institutions(ResponseModel):
    total: int
    """Number of institutions."""
    hits: list[Institution]
    """The institutions, by code."""


class Branch(ResponseModel):
    """A place of an institution that has items."""

    id: str
    """Identifier (UUID)."""
    version: int
    """Version, for If-Match."""
    code: str
    """Short code, unique in the institution, which filters use."""
    institution: str
    """Code of the institution that the branch belongs to."""
    name: Text
    """Name."""
    kind: str
    """Kind of branch: central, branch, mobile, campus, …"""
    npp: str
    """Indonesia's national library number (NPP)."""
    isil: str
    """ISO 15511 identifier."""
    zone: str
    """IANA time zone."""
    confirmed: bool
    """False when only an import has named the branch, so that it has no description yet."""
    contact: Contact
    """Contact data."""
    position: Position | None = None
    """Position; absent when unknown."""
    photo: Picture | None = None
    """Photo; absent when there is none."""
    photo_alt: Text
    """Text alternative of the photo; when empty, pages use the name of the branch."""
    services: list[Text]
    """Services of the branch."""
    accessibility: list[Text]
    """Facilities for readers with disabilities."""


class Branches(ResponseModel):
    total: int
    """Number of branches."""
    hits: list[Branch]
    """The branches, by institution and code."""


class StoredPicture(ResponseModel):
    """A picture that was stored."""

    picture: Picture
    """The file."""
    version: int
    """New version of the institution or branch, for If-Match."""


class Removed(ResponseModel):
    version: int
    """New version of the institution or branch, for If-Match."""


class LinkBody(Body):
    """A web site or social media account of the library."""

    kind: str = Field(
        description="instagram, facebook, youtube, x, tiktok or website.", max_length=40, examples=["website"]
    )
    url: str = Field(description="URL, https or http.", max_length=_LONGEST, examples=["https://perpustakaan.example"])


class PositionBody(Body):
    """A position in degrees, WGS 84."""

    latitude: float = Field(description="Degrees north.", ge=-90, le=90, allow_inf_nan=False, examples=[-0.7893])
    longitude: float = Field(description="Degrees east.", ge=-180, le=180, allow_inf_nan=False, examples=[100.6543])


def _text(description: str, example: str) -> Any:
    return Field(default="", description=description, max_length=_LONGEST, examples=[example])


def _texts(description: str) -> Any:
    return Field(default_factory=TextBody, description=description)


class _PlaceBody(Body):
    """The changes; an absent field does not change."""

    name: TextBody = _texts("Name.")
    kind: str = _text("Kind of library.", "public")
    npp: str = _text("Indonesia's national library number (NPP).", "CONTOH-0001")
    isil: str = _text("ISO 15511 identifier.", "ID-CONTOH-PKS")
    address: str = _text("Street and number, at most 5 lines.", "Jl. Contoh No. 1")
    kelurahan: str = _text("Kelurahan, desa or nagari, with the rest of the line.", "Kelurahan PPA, Kota Solok")
    phone: str = _text("Phone number; Indonesian when it has no country code.", "0755 20123")
    whatsapp: str = _text("WhatsApp number.", "0812 0000 0000")
    email: str = _text("E-mail address.", "halo@perpustakaan.example")
    links: list[LinkBody] = Field(
        default_factory=list, description="Web site and social media accounts, one of each kind.", max_length=_MOST
    )


class InstitutionBody(_PlaceBody):
    """Changes of an institution; an absent field does not change."""

    short_name: TextBody = _texts("Short name.")
    motto: TextBody = _texts("Motto.")


class BranchBody(_PlaceBody):
    """Changes of a branch; an absent field does not change."""

    position: PositionBody | None = Field(None, description="Position; null removes it.")
    photo_alt: TextBody = _texts("Text alternative of the photo.")
    services: list[TextBody] = Field(default_factory=list, description="Services of the branch.", max_length=_MOST)
    accessibility: list[TextBody] = Field(
        default_factory=list, description="Facilities for readers with disabilities.", max_length=_MOST
    )


def institution_of(message: wire.Institution) -> Institution:
    return Institution(
        **_shared(message),
        short_name=serializers.text(message.short_name),
        motto=serializers.text(message.motto),
        logo=picture(message.logo),
        photos=[Picture(id=file_id, url=f"/files/{file_id}") for file_id in message.photos],
    )


def branch_of(message: wire.Branch) -> Branch:
    position = message.position
    is_known = message.HasField("position")
    return Branch(
        **_shared(message),
        institution=message.institution,
        confirmed=message.confirmed,
        position=Position(latitude=position.latitude, longitude=position.longitude) if is_known else None,
        photo=picture(message.photo),
        photo_alt=serializers.text(message.photo_alt),
        services=[serializers.text(text) for text in message.services],
        accessibility=[serializers.text(text) for text in message.accessibility],
    )


def picture(file_id: str) -> Picture | None:
    return Picture(id=file_id, url=f"/files/{file_id}") if file_id else None


def _shared(message: wire.Institution | wire.Branch) -> dict[str, Any]:
    """Return the fields that both institutions and branches have."""
    contact = MessageToDict(message.contact, always_print_fields_with_no_presence=True)
    return {
        "id": message.id,
        "version": message.version,
        "code": message.code,
        "name": serializers.text(message.name),
        "kind": message.kind,
        "npp": message.npp,
        "isil": message.isil,
        "zone": message.zone,
        "contact": Contact(**contact),
    }


_CONTACT_EXAMPLE = {
    "address": "Jl. Contoh No. 1",
    "kelurahan": "Kelurahan PPA, Kota Solok",
    "phone": "+6275520123",
    "whatsapp": "",
    "email": "halo@perpustakaan.example",
    "links": [{"kind": "website", "url": "https://perpustakaan.example"}],
}
INSTITUTION_EXAMPLE: dict[str, Any] = {
    "id": "0192f3a4-5b6c-7d8e-9f08-23456789abcd",
    "version": 1,
    "code": "PKS",
    "name": {"id": "Perpustakaan Kota Solok", "en": "Solok City Library"},
    "short_name": {"id": "Perpus Solok", "en": "Solok Library"},
    "motto": {"id": "Membaca dekat rumah", "en": "Reading close to home"},
    "kind": "public",
    "npp": "1372012D0000001",
    "isil": "",
    "zone": "Asia/Jakarta",
    "contact": _CONTACT_EXAMPLE,
    "logo": {"id": FILE_EXAMPLE, "url": f"/files/{FILE_EXAMPLE}"},
    "photos": [],
}
BRANCH_EXAMPLE: dict[str, Any] = {
    "id": "0192f3a4-5b6c-7d8e-9f09-23456789abcd",
    "version": 1,
    "code": "PST",
    "institution": "PKS",
    "name": {"id": "Perpustakaan Pusat", "en": "Central Library"},
    "kind": "central",
    "npp": "",
    "isil": "",
    "zone": "Asia/Jakarta",
    "confirmed": True,
    "contact": _CONTACT_EXAMPLE,
    "position": {"latitude": -0.7893, "longitude": 100.6543},
    "photo_alt": {"id": "Rak anak di dekat jendela", "en": "Children's shelves beside the window"},
    "services": [{"id": "Ruang baca anak", "en": "Children's room"}],
    "accessibility": [{"id": "Jalur landai di pintu masuk", "en": "Ramp at the entrance"}],
}
