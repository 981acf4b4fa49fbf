"""A record as reference lists write it: APA 7, MLA 9, Chicago 17 (bibliography). Pure; texts only."""

from __future__ import annotations

from typing import Any

from gateway.web.covers import names

# (and, and others, without a year)
_WORDS = {"id": ("dan", "dkk.", "t.t."), "en": ("and", "et al.", "n.d.")}
MOST_NAMES = {"apa": 20, "mla": 2, "chicago": 10}


def citations(display: dict[str, Any], speaks: str) -> list[tuple[str, str]]:
    """(style, reference) for each style; what the record does not say is left out."""
    undated = _WORDS[speaks][2]
    people = [name for name in names(display) if name]
    title = _title(display)
    year, publisher = str(display.get("year") or ""), display.get("publisher") or ""
    place, edition = display.get("place") or "", display.get("edition") or ""
    apa = [_apa_names(people), f"({year or undated})", title + (f" ({edition})" if edition else ""), publisher]
    mla = [_many_names(people, MOST_NAMES["mla"], speaks), title, ", ".join(filter(None, (edition, publisher, year)))]
    printed = f"{place}: {publisher}" if place and publisher else place or publisher
    chicago = [
        _many_names(people, MOST_NAMES["chicago"], speaks), title, edition, ", ".join(filter(None, (printed, year)))
    ]  # fmt: skip
    return [("apa", _sentences(apa)), ("mla", _sentences(mla)), ("chicago", _sentences(chicago))]


def _title(display: dict[str, Any]) -> str:
    title, rest = display["title"].rstrip(" /:"), display.get("subtitle")
    return f"{title}: {rest}" if rest else str(title)


def _apa_names(people: list[str]) -> str:
    written = [_initials(each) for each in people[: MOST_NAMES["apa"]]]
    return f"{', '.join(written[:-1])}, & {written[-1]}" if len(written) > 1 else "".join(written)


def _initials(name: str) -> str:
    """“Rusli, Marah” as “Rusli, M.”; a name of one piece, as many are here, stays whole."""
    family, comma, given = name.partition(",")
    if not comma:
        return name
    letters = [piece[0].upper() + "." for piece in given.replace(".", " ").split() if piece[:1].isalpha()]
    return f"{family.strip()}, {' '.join(letters)}" if letters else family.strip()


def _many_names(people: list[str], most: int, speaks: str) -> str:
    """The first name inverted, the rest straight; more than `most` are “and others”."""
    conjunction, others, _ = _WORDS[speaks]
    if not people:
        return ""
    if len(people) > most:
        return f"{people[0]}, {others}"
    rest = [_straight(each) for each in people[1:]]
    return people[0] if not rest else ", ".join([people[0], *rest[:-1], f"{conjunction} {rest[-1]}"])


def _straight(name: str) -> str:
    family, comma, given = name.partition(",")
    return f"{given.strip()} {family.strip()}" if comma and given.strip() else family.strip()


def _sentences(parts: list[str]) -> str:
    return " ".join(
        each if each.endswith((".", "?", "!", "…")) else f"{each}." for each in map(str.strip, parts) if each
    )
