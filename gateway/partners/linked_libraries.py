"""Institutions and branches as schema.org describes them (JSON-LD): LibrarySystem, Library, OpeningHoursSpecification.

Pure. Hours are given for each known day with its date, so they include breaks, seasons and closings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gateway.opening_hours import Day, OpeningHours
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SCHEMA = "https://schema.org"
# schema.org has no 24:00.
_LAST_MINUTE = "23:59"

Address = Callable[[str], str]


def library_system(
    institution: wire.Institution,
    branches: Iterable[tuple[wire.Branch, OpeningHours | None]],
    *,
    path_of: Callable[[wire.Branch], str],
    absolute: Address,
    language: str,
) -> dict[str, Any]:
    """Return an institution with its branches.

    path_of   returns the path of a branch's page
    absolute  returns the URL of a path
    """
    return {
        "@context": _SCHEMA,
        "@type": "LibrarySystem",
        **_described(institution.name, institution.contact, language),
        "url": absolute("/branches"),
        **_present(
            identifier=_identifiers(institution.npp, institution.isil),
            slogan=_text(institution.motto, language),
            logo=absolute(f"/files/{institution.logo}") if institution.logo else "",
            image=[absolute(f"/files/{photo}") for photo in institution.photos],
            subOrganization=[
                _branch(branch, hours, url=absolute(path_of(branch)), absolute=absolute, language=language)
                for branch, hours in branches
            ],
        ),
    }


def library(
    branch: wire.Branch,
    hours: OpeningHours | None,
    *,
    institution: wire.Institution | None,
    url: str,
    absolute: Address,
    language: str,
) -> dict[str, Any]:
    """Return a branch with its institution. Without known hours, the description has none."""
    data = {"@context": _SCHEMA, **_branch(branch, hours, url=url, absolute=absolute, language=language)}
    if institution is not None:
        name = _text(institution.name, language) or institution.code
        data["parentOrganization"] = {"@type": "LibrarySystem", "name": name, "url": absolute("/branches")}
    return data


def _branch(
    branch: wire.Branch, hours: OpeningHours | None, *, url: str, absolute: Address, language: str
) -> dict[str, Any]:
    features = [_text(text, language) for text in (*branch.services, *branch.accessibility)]
    position = branch.position
    return {
        "@type": "Library",
        "@id": url,
        **_described(branch.name, branch.contact, language),
        "url": url,
        **_present(
            identifier=_identifiers(branch.npp, branch.isil),
            image=absolute(f"/files/{branch.photo}") if branch.photo else "",
            geo={"@type": "GeoCoordinates", "latitude": position.latitude, "longitude": position.longitude}
            if branch.HasField("position")
            else None,
            amenityFeature=[
                {"@type": "LocationFeatureSpecification", "name": feature, "value": True}
                for feature in features
                if feature
            ],
            openingHoursSpecification=[] if hours is None else _opening(hours.days),
            specialOpeningHoursSpecification=[] if hours is None else _closings(hours.days),
        ),
    }


def _described(name: LocalText, contact: wire.Contact, language: str) -> dict[str, Any]:
    street = ", ".join(line.strip() for line in contact.address.splitlines() if line.strip())
    place = _present(streetAddress=street, addressLocality=contact.kelurahan)
    address = {"@type": "PostalAddress", **place, "addressCountry": "ID"} if place else None
    return {
        "name": _text(name, language),
        **_present(
            address=address,
            telephone=contact.phone or contact.whatsapp,
            email=contact.email,
            sameAs=[link.url for link in contact.links],
        ),
    }


def _opening(days: Iterable[Day]) -> list[dict[str, str]]:
    return [
        {
            "@type": "OpeningHoursSpecification",
            "dayOfWeek": f"{_SCHEMA}/{_WEEKDAYS[day.date.weekday()]}",
            "opens": opens,
            "closes": _LAST_MINUTE if closes == "24:00" else closes,
            "validFrom": day.date.isoformat(),
            "validThrough": day.date.isoformat(),
        }
        for day in days
        for opens, closes in day.hours
    ]


def _closings(days: Iterable[Day]) -> list[dict[str, str]]:
    """Return the closed days; hours from 00:00 to 00:00 mean closed all day."""
    return [
        {
            "@type": "OpeningHoursSpecification",
            "opens": "00:00",
            "closes": "00:00",
            "validFrom": day.date.isoformat(),
            "validThrough": day.date.isoformat(),
            **_present(description=day.why),
        }
        for day in days
        if day.is_closed
    ]


def _identifiers(npp: str, isil: str) -> list[dict[str, str]]:
    numbers = (("NPP", npp), ("ISIL", isil))
    return [{"@type": "PropertyValue", "propertyID": name, "value": value} for name, value in numbers if value]


def _text(text: LocalText, language: str) -> str:
    return str((text.en or text.id) if language == "en" else (text.id or text.en))


def _present(**values: Any) -> dict[str, Any]:
    """Return the values that are not empty."""
    return {name: value for name, value in values.items() if value}
