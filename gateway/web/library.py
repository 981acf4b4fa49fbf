"""The library whose site this is: its name, logo, contact data and hours, for the header and footer of every page."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import asin, cos, radians, sin, sqrt
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request

from gateway.libraries import Directory, libraries
from gateway.negotiation import language
from gateway.sessions import session_of
from gateway.web.hits import Nearness, local_text
from gateway.web.hours import Now, now_in_words
from gateway.web.texts import wording
from rangkiang.catalog.v1 import catalog_pb2 as wire

BRANCH_COOKIE = "branch"
BRANCH_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,32}/[A-Za-z0-9_.-]{1,64}")
LOGO_WIDTH = 96
_MAP_ZOOM = 17
_TOWN = re.compile(r"(?:^|, *)(?:Kota|Kabupaten|Kab\.) +([^,\d]+)")
MOST_INSTITUTIONS = 20  # institutions of one record whose hours are read
# Indonesian area codes with two digits after the 0; other area codes have three.
_SHORT_AREAS = ("021", "022", "024", "031", "061")
_INDONESIA = "+62"
_EARTH_KILOMETRES = 6371.0


@dataclass(frozen=True, slots=True)
class ContactLine:
    """A contact of a library. `kind` is phone, whatsapp, email or the kind of a link; `text` is "" for links."""

    kind: str
    address: str
    text: str


@dataclass(frozen=True, slots=True)
class Site:
    """The data of the header and footer; `name` is never empty.

    short_name  name for narrow screens; the full name when there is no short name
    logo        path of an image; "" without a logo
    branch      path of the page of the branch whose hours are shown
    """

    name: str
    short_name: str
    logo: str
    motto: str
    place: tuple[str, ...]
    contact: tuple[ContactLine, ...]
    branch: str = ""
    branch_name: str = ""
    now: Now | None = None


def site_of(request: Request, lang: str) -> Site:
    """Return the data of the header and footer from the cache, without a call."""
    held = libraries(request)
    directory, owner = held.known_directory(), held.owner()
    if owner is None:
        return _anonymous(lang)
    site, branch = _site(directory, owner.code, lang), _own_branch(request, directory, owner.code)
    if branch is None:
        return site
    return replace(
        site,
        branch=branch_path(branch.institution, branch.code),
        branch_name=local_text(branch.name, lang) or branch.code,
        now=now_in_words(held.known_hours(owner.code).get(branch.code), lang, branch.kind),
    )


def institution_name(request: Request, code: str, lang: str) -> str:
    """Return the name of an institution from the cache, or its code when the name is not known."""
    institution = libraries(request).known_directory().institutions.get(code)
    return (local_text(institution.name, lang) if institution is not None else "") or code


def own_branches(request: Request) -> list[tuple[str, str]]:
    """Return (full code, name) of the branches of the caller's institution, the central one first."""
    session, lang = session_of(request), language(request)
    own = session.account.institution if session else ""
    branches = libraries(request).known_directory().branches_of(own)
    return [(f"{own}/{branch.code}", local_text(branch.name, lang) or branch.code) for branch in branches]


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The head of a printed letter: the institution with its logo and address, and the town for the line with the date.

    town  "" when the address does not say it
    """

    name: str
    logo: str
    place: tuple[str, ...]
    contact: tuple[ContactLine, ...]
    town: str


def letterhead_of(request: Request, code: str, lang: str) -> Letterhead:
    """Return the letterhead of an institution from the cache; only its code when it is not known."""
    directory = libraries(request).known_directory()
    institution = directory.institutions.get(code)
    if institution is None:
        return Letterhead(code, "", (), (), "")
    contact, main = institution.contact, directory.main_branch(code)
    if main is not None and not place_of(contact):
        contact = main.contact
    place = place_of(contact)
    town = town_of(place)
    return Letterhead(
        name=local_text(institution.name, lang) or code,
        logo=picture_address(institution.logo, width=2 * LOGO_WIDTH),
        place=place,
        contact=tuple(line for line in contact_lines(contact) if line.kind in ("phone", "email")),
        town=town,
    )


def town_of(place: Iterable[str]) -> str:
    """Return the name of the city or regency in the lines of an address; "" when they do not say it.

    Streets and villages have such names too ("Jl. Kota Lama", "Kota Baru"), so the last one that begins a part counts.
    """
    towns = _TOWN.findall(", ".join(place))
    return towns[-1].strip() if towns else ""


def chosen_branch(request: Request) -> str:
    """Return the branch that the reader has chosen, "INSTITUTION/BRANCH"; "" without a choice."""
    chosen = unquote(request.cookies.get(BRANCH_COOKIE, "")[:200])
    return chosen if BRANCH_PATTERN.fullmatch(chosen) else ""


def nearness_of(request: Request, *, is_filtered: bool = False) -> Nearness:
    """Return the data for the choice of the branch that a hit names, from the cache, without a call."""
    held, chosen = libraries(request), chosen_branch(request)
    directory, owner = held.known_directory(), held.owner()
    main = directory.main_branch(owner.code) if owner is not None else None
    return Nearness(
        is_filtered=is_filtered,
        reader_branch=chosen,
        main_branch=f"{main.institution}/{main.code}" if main is not None else "",
        kilometres=_kilometres_from(directory, chosen) if chosen else {},
    )


def librarian(request: Request, branches: Iterable[str], text: str) -> ContactLine | None:
    """Return a WhatsApp contact of a librarian, with a text for the message; None when no number is known.

    branches  "INSTITUTION/BRANCH" in order of preference; then come the branches of the library whose site this is
    """
    held = libraries(request)
    directory, owner = held.known_directory(), held.owner()
    contacts = [
        branch.contact
        for place in branches
        if (branch := directory.branches.get((place.partition("/")[0], place.partition("/")[2]))) is not None
    ]
    if owner is not None:
        contacts += [branch.contact for branch in directory.branches_of(owner.code)]
        contacts.append(owner.contact)
    line = next((line for contact in contacts for line in contact_lines(contact) if line.kind == "whatsapp"), None)
    return (
        None if line is None else replace(line, address=f"{line.address}?{urlencode({'text': text}, quote_via=quote)}")
    )


@lru_cache(maxsize=64)
def _kilometres_from(directory: Directory, place: str) -> dict[str, float]:
    """Return the distance of other branches from a branch in kilometres; empty when its position is unknown."""
    institution, _, code = place.partition("/")
    start = directory.branches.get((institution, code))
    if start is None or not start.HasField("position"):
        return {}
    return {
        f"{branch.institution}/{branch.code}": _kilometres(start.position, branch.position)
        for branch in directory.branches.values()
        if branch is not start and branch.HasField("position")
    }


def _kilometres(start: wire.Position, end: wire.Position) -> float:
    """Return the great-circle distance of two positions in kilometres (haversine formula)."""
    south, north = radians(start.latitude), radians(end.latitude)
    turn = radians(end.longitude - start.longitude)
    half = sin((north - south) / 2) ** 2 + cos(south) * cos(north) * sin(turn / 2) ** 2
    return 2 * _EARTH_KILOMETRES * asin(min(1.0, sqrt(half)))


async def with_pages(request: Request, branch_holdings: list[dict[str, Any]], lang: str) -> list[dict[str, Any]]:
    """Add to each holding of a record the path of the branch's page, and whether the branch is open now."""
    held = libraries(request)
    directory = await held.directory()
    codes = list(dict.fromkeys(holding["institution"] for holding in branch_holdings))[:MOST_INSTITUTIONS]
    hours = dict(zip(codes, await asyncio.gather(*(held.hours(code) for code in codes)), strict=True))
    shown = []
    for holding in branch_holdings:
        institution, _, code = holding["branch"].partition("/")
        branch = directory.branches.get((institution, code))
        now = None
        if branch is not None and institution in hours:
            now = now_in_words(hours[institution].get(code), lang, branch.kind)
        shown.append({**holding, "path": branch_path(institution, code) if branch is not None else "", "now": now})
    return shown


def branch_path(institution: str, code: str) -> str:
    """Return the path of the page of a branch."""
    return f"/branches/{quote(institution, safe='')}/{quote(code, safe='')}"


def picture_address(file_id: str, *, width: int = 0) -> str:
    """Return the path of a picture, "" without a picture.

    width  pixels that the page needs; 0 for the original size
    """
    if not file_id:
        return ""
    return f"/files/{file_id}?width={width}" if width else f"/files/{file_id}"


def place_of(contact: wire.Contact) -> tuple[str, ...]:
    """Return the lines of an address."""
    lines = [*contact.address.splitlines(), contact.kelurahan]
    return tuple(line.strip() for line in lines if line.strip())


def contact_lines(contact: wire.Contact) -> tuple[ContactLine, ...]:
    """Return the contacts that are known: telephone, WhatsApp, e-mail and links."""
    lines = []
    if contact.phone:
        lines.append(ContactLine("phone", f"tel:{contact.phone}", phone_text(contact.phone)))
    if contact.whatsapp:
        number = contact.whatsapp.removeprefix("+")
        lines.append(ContactLine("whatsapp", f"https://wa.me/{number}", phone_text(contact.whatsapp)))
    if contact.email:
        lines.append(ContactLine("email", f"mailto:{contact.email}", contact.email))
    lines += [
        ContactLine(link.kind, link.url, "") for link in contact.links if link.url.startswith(("https://", "http://"))
    ]
    return tuple(lines)


def map_links(branch: wire.Branch, name: str) -> list[tuple[str, str]]:
    """Return (text key, URL) of maps for the position, or for the address when there is no position."""
    if branch.HasField("position"):
        place = f"{branch.position.latitude:.6f},{branch.position.longitude:.6f}"
        latitude, longitude = place.split(",")
        marker = urlencode({"mlat": latitude, "mlon": longitude})
        return [
            ("branches.map", f"https://www.openstreetmap.org/?{marker}#map={_MAP_ZOOM}/{latitude}/{longitude}"),
            ("branches.map_app", f"geo:{place}?q={place}({quote(name)})"),
        ]
    address = ", ".join(place_of(branch.contact))
    if not address:
        return []
    return [("branches.map", f"https://www.openstreetmap.org/search?{urlencode({'query': address})}")]


def phone_text(number: str) -> str:
    """Return an E.164 number as Indonesians write it: 0755 20123, 0812-3456-7890. Foreign numbers do not change."""
    if not number.startswith(_INDONESIA):
        return number
    national = "0" + number.removeprefix(_INDONESIA)
    if national.startswith("08"):
        return "-".join(part for part in (national[:4], national[4:8], national[8:]) if part)
    area = 3 if national.startswith(_SHORT_AREAS) else 4
    return f"{national[:area]} {national[area:]}"


@lru_cache(maxsize=2)
def _anonymous(lang: str) -> Site:
    name = wording(lang).say("site.name")
    return Site(name=name, short_name=name, logo="", motto="", place=(), contact=())


@lru_cache(maxsize=16)
def _site(directory: Directory, code: str, lang: str) -> Site:
    owner = directory.institutions[code]
    name = local_text(owner.name, lang) or owner.code
    return Site(
        name=name,
        short_name=local_text(owner.short_name, lang) or name,
        logo=picture_address(owner.logo, width=LOGO_WIDTH),
        motto=local_text(owner.motto, lang),
        place=place_of(owner.contact),
        contact=contact_lines(owner.contact),
    )


def _own_branch(request: Request, directory: Directory, institution: str) -> wire.Branch | None:
    """Return the reader's branch when it belongs to the institution, else the institution's main branch."""
    owner, _, code = chosen_branch(request).partition("/")
    mine = directory.branches.get((owner, code)) if owner == institution else None
    return mine or directory.main_branch(institution)
