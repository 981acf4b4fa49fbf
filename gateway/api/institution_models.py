"""Models and examples of the routes of institutions and branches."""

from __future__ import annotations

from pydantic import Field

from chassis.branches import BranchCode, full_code
from chassis.models import ResponseModel, example_of, to_model
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import models

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
        description="Logo; null when there is none.",
        examples=[{"id": FILE_EXAMPLE, "url": f"/files/{FILE_EXAMPLE}"}],
    )
    photos: list[Picture] = Field(description="Photos, in the order in which pages show them.", examples=[[]])


class Institutions(ResponseModel):
    total: int
    """Number of institutions."""
    hits: list[Institution]
    """The institutions, by code."""
    next: str | None = None
    """Null: the list has one page."""


class Branch(models.Branch):
    """A place of an institution that has items."""

    branch: BranchCode = Field(description="The branch, as other requests and responses name it.")
    photo: Picture | None = Field(default=None, description="Photo; null when there is none.", examples=[None])


class Branches(ResponseModel):
    total: int
    """Number of branches."""
    hits: list[Branch]
    """The branches, by institution and code."""
    next: str | None = None
    """Null: the list has one page."""


class StoredPicture(ResponseModel):
    """A picture that was stored."""

    picture: Picture
    """The file."""
    version: int
    """New version of the institution or branch, for If-Match."""


class InstitutionBody(models.InstitutionBody):
    """Changes of an institution; an absent field does not change."""


class BranchBody(models.BranchBody):
    """Changes of a branch; an absent field does not change."""


def institution_of(message: wire.Institution) -> Institution:
    photos = [Picture(id=file_id, url=f"/files/{file_id}") for file_id in message.photos]
    return to_model(Institution, message, logo=picture(message.logo), photos=photos)


def branch_of(message: wire.Branch) -> Branch:
    branch = full_code(message.institution, message.code)
    return to_model(Branch, message, branch=branch, photo=picture(message.photo))


def picture(file_id: str) -> Picture | None:
    return Picture(id=file_id, url=f"/files/{file_id}") if file_id else None


INSTITUTION_EXAMPLE = example_of(Institution)
BRANCH_EXAMPLE = {name: value for name, value in example_of(Branch).items() if name != "photo"}
