"""Models and examples of the routes of institutions and branches."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from chassis.models import Body, ResponseModel, example_of, to_model
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import models
from rangkiang.common.v1.models import TextBody

# The service checks lengths and names the field; these limits only bound the size of its input.
_LONGEST = 2_000
_MOST = 100
FILE_EXAMPLE = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Picture(ResponseModel):
    """A logo or a photo."""

    id: str
    """Identifier of the file."""
    url: str
    """URL of the file. `?width=480` selects a rendition that is at least 480 pixels wide, if there is one."""


class Institution(models.Institution):
    """A library that shares this catalogue."""

    logo: Picture | None = Field(
        default=None,
        description="Logo; absent when there is none.",
        examples=[{"id": FILE_EXAMPLE, "url": f"/files/{FILE_EXAMPLE}"}],
    )
    photos: list[Picture] = Field(description="Photos, in the order in which pages show them.", examples=[[]])


class Institutions(ResponseModel):
    total: int
    """Number of institutions."""
    hits: list[Institution]
    """The institutions, by code."""


class Branch(models.Branch):
    """A place of an institution that has items."""

    photo: Picture | None = Field(default=None, description="Photo; absent when there is none.", examples=[None])


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
    photos = [Picture(id=file_id, url=f"/files/{file_id}") for file_id in message.photos]
    return to_model(Institution, message, logo=picture(message.logo), photos=photos)


def branch_of(message: wire.Branch) -> Branch:
    return to_model(Branch, message, photo=picture(message.photo))


def picture(file_id: str) -> Picture | None:
    return Picture(id=file_id, url=f"/files/{file_id}") if file_id else None


INSTITUTION_EXAMPLE = example_of(Institution)
BRANCH_EXAMPLE = {name: value for name, value in example_of(Branch).items() if name != "photo"}
