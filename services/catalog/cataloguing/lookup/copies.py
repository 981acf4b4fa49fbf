"""Prepares the record of another library for a copy: what is only valid there is left out (MARC 21, "Local fields")."""

from __future__ import annotations

from services.catalog.cataloguing.faults import without_faults
from services.catalog.marc.record import Field, Record, is_control, subfields

# Tags with a 9 are local, with one exception.
_NOT_LOCAL = "490"
# Fields of MARC 21 Holdings, between which 856 and 857 (addresses on the Internet) stand.
_HOLDINGS = frozenset(range(841, 879)) - {856, 857}
# Numbers of the record and the time of its last change, in the system that it comes from.
_OWN_NUMBERS = frozenset({"001", "003", "005"})


def copy_of(record: Record, *, agency: str, copied_by: str) -> Record:
    """Return what a copy of another library's record has.

    Left out: local fields (9XX, X9X, XX9), holdings, fields of one institution ($5), local subfields ($9). The control
    number becomes a 035 with the agency before it, and 040 $d names who copies. What MARC 21 does not know is left out
    too, because a save would be refused for it.

    agency     code of the library that the record comes from; its 003 has priority; "" if unknown
    copied_by  code of the library that copies
    """
    agency = (record.control("003") or "").strip() or agency
    number = (record.control("001") or "").strip()
    shared = [field for field in map(_without_local_subfields, record.fields) if field and _is_shared(field)]
    kept = without_faults(Record(record.leader, shared)).fields
    if number and agency:
        numbered = ["035", "  ", "a", f"({agency}){number}"]
        kept = _put(kept, numbered) if numbered not in kept else kept
    source = next((field for field in kept if field[0] == "040"), None)
    if source is None:
        source = ["040", "  ", *(("a", agency, "c", agency) if agency else ())]
        kept = _put(kept, source)
    if source[-2:] != ["d", copied_by]:
        source += ("d", copied_by)
    return Record(f"{record.leader[:5]}n{record.leader[6:]}", kept)


def _is_shared(field: Field) -> bool:
    """Return whether a field belongs to the record of every library."""
    tag = field[0]
    if not tag.isdigit() or ("9" in tag and tag != _NOT_LOCAL) or tag in _OWN_NUMBERS or int(tag) in _HOLDINGS:
        return False
    return is_control(field) or all(code != "5" for code, _ in subfields(field))


def _without_local_subfields(field: Field) -> Field | None:
    """Return a copy of a field without $9; None when nothing is left."""
    if is_control(field):
        return [*field]
    parts = [part for code, value in subfields(field) if code != "9" for part in (code, value)]
    return [*field[:2], *parts] if parts else None


def _put(fields: list[Field], added: Field) -> list[Field]:
    """Add a field before the first one with a higher tag."""
    at = next((place for place, field in enumerate(fields) if field[0] > added[0]), len(fields))
    return [*fields[:at], added, *fields[at:]]
