"""Libraries as JSON-LD have only types and properties of schema.org, and only data that the library entered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from gateway.opening_hours import Day, OpeningHours
from gateway.partners.linked_libraries import library, library_system
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText
from services.catalog import sample
from services.catalog.institutions.file import read_institutions

# Properties of schema.org 29.0 that may be used, with those of the types above each.
_THING = {"name", "url", "image", "identifier", "description", "sameAs"}
_PLACE = _THING | {"address", "geo", "telephone", "logo", "slogan", "amenityFeature", "openingHoursSpecification"}
_PLACE |= {"specialOpeningHoursSpecification", "hasMap", "publicAccess"}
_ORGANIZATION = _THING | {"address", "telephone", "email", "logo", "slogan", "subOrganization", "parentOrganization"}
PROPERTIES = {
    "LibrarySystem": _ORGANIZATION,
    "Library": _PLACE | _ORGANIZATION,  # a LocalBusiness, which is a Place and an Organization
    "PostalAddress": _THING | {"streetAddress", "addressLocality", "addressRegion", "addressCountry", "postalCode"},
    "GeoCoordinates": _THING | {"latitude", "longitude", "elevation", "addressCountry", "postalCode"},
    "LocationFeatureSpecification": _THING | {"value", "propertyID", "hoursAvailable"},
    "PropertyValue": _THING | {"value", "propertyID", "unitCode"},
    "OpeningHoursSpecification": _THING | {"opens", "closes", "dayOfWeek", "validFrom", "validThrough"},
}
HOSTILE = '</script><script>alert("1")</script>'


def text(value: dict[str, str]) -> LocalText:
    return LocalText(**value)


def contact(entry: dict[str, Any]) -> wire.Contact:
    links = [wire.SocialLink(**link) for link in entry.get("links", [])]
    names = ("address", "kelurahan", "phone", "whatsapp", "email")
    return wire.Contact(links=links, **{name: entry.get(name, "") for name in names})


def sample_institution() -> tuple[wire.Institution, list[wire.Branch]]:
    entry = read_institutions(sample.institutions_path())[0]
    institution = wire.Institution(
        code="PKS", name=text(entry["name"]), motto=text(entry["motto"]), npp=entry["npp"], isil=entry["isil"],
        contact=contact(entry), logo="a" * 64, photos=["b" * 64],
    )  # fmt: skip
    branches = [
        wire.Branch(
            code=row["code"],
            institution="PKS",
            name=text(row["name"]),
            contact=contact(row),
            position=wire.Position(**row["position"]) if "position" in row else None,
            services=[text(service) for service in row.get("services", [])],
            accessibility=[text(help_) for help_ in row.get("accessibility", [])],
        )
        for row in entry["branch"]
    ]
    return institution, branches


def described(language: str = "id") -> dict[str, Any]:
    institution, branches = sample_institution()
    return library_system(
        institution,
        [(branch, None) for branch in branches],
        path_of=lambda branch: f"/branches/PKS/{branch.code}",
        absolute=lambda path: f"https://library.example{path}",
        language=language,
    )


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for member in value.values():
            yield from nodes(member)
    elif isinstance(value, list):
        for item in value:
            yield from nodes(item)


@pytest.mark.parametrize("language", ["id", "en"])
def test_every_type_and_property_is_one_of_schema_org(language: str) -> None:
    for node in nodes(described(language)):
        names = {name for name in node if not name.startswith("@")}
        assert names <= PROPERTIES[node["@type"]], node["@type"]


def test_a_system_has_its_branches_where_they_are() -> None:
    system = described("en")
    assert (system["@context"], system["@type"], system["name"]) == (
        "https://schema.org", "LibrarySystem", "Solok City Library",
    )  # fmt: skip
    assert system["logo"] == f"https://library.example/files/{'a' * 64}"
    central, _, mobile = system["subOrganization"]
    assert central["geo"] == {"@type": "GeoCoordinates", "latitude": -0.7893, "longitude": 100.6543}
    assert "Ramp at the entrance" in {feature["name"] for feature in central["amenityFeature"]}
    assert "geo" not in mobile
    assert "address" not in mobile


def test_a_branch_without_known_hours_has_no_hours_in_json_ld() -> None:
    _, branches = sample_institution()
    node = library(branches[0], None, institution=None, url="https://x.example", absolute=str, language="id")
    assert not [name for name in node if "Hours" in name]


def test_hours_and_closings_have_their_days() -> None:
    institution, branches = sample_institution()
    days = [
        Day(date(2026, 3, 13), (("08:00", "11:30"), ("13:30", "16:00")), False, ""),
        Day(date(2026, 3, 14), (), True, "Nyepi"),
    ]  # fmt: skip
    hours = OpeningHours(zone="Asia/Jakarta", has_hours=True, days=tuple(days))
    node = library(branches[0], hours, institution=institution, url="https://x.example", absolute=str, language="id")
    for part in nodes(node):
        assert {name for name in part if not name.startswith("@")} <= PROPERTIES[part["@type"]]
    assert [opening["opens"] for opening in node["openingHoursSpecification"]] == ["08:00", "13:30"]
    assert node["openingHoursSpecification"][0]["dayOfWeek"] == "https://schema.org/Friday"
    assert node["specialOpeningHoursSpecification"][0]["description"] == "Nyepi"


def test_hostile_texts_are_values_and_nothing_else() -> None:
    branch = wire.Branch(code="X", name=LocalText(id=HOSTILE, en=HOSTILE), contact=wire.Contact(address=HOSTILE))
    node = library(branch, None, institution=None, url="https://x.example", absolute=str, language="id")
    assert json.loads(json.dumps(node))["name"] == HOSTILE
    assert node["address"]["streetAddress"] == HOSTILE
