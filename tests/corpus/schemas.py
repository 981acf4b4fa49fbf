"""Schemas of the XML forms: our own in schemas/ next to this file, and the published ones if available."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import rnc2rng
from lxml import etree

from tests.corpus import real

PUBLISHED: Final = {
    "dc": "oai/oai_dc.xsd",
    "mods": "mods/mods-3-7.xsd",
    "marcxml": "oai/MARC21slim.xsd",
    "atom": "opds12/atom.rnc",
    "oai": "oai/all.xsd",
    "sru": "sru20/sruResponse.xsd",  # with scan and diagnostics
}
OURS: Final = {"dc": "oai_dc.rnc", "mods": "mods.rnc", "marcxml": "marcxml.rnc", "atom": "atom.rnc"}


def _relax_ng(path: Path) -> Any:
    # rnc2rng declares the empty namespace as a prefix, which XML forbids; nothing in these grammars uses it.
    grammar = rnc2rng.dumps(rnc2rng.loads(path.read_text())).replace(' xmlns:local=""', "")
    return etree.RelaxNG(etree.fromstring(grammar.encode()))


@cache
def ours(form: str) -> Any:
    """Our own schema of this form: stricter than the published one where we write less than that allows."""
    return _relax_ng(Path(__file__).parent / "schemas" / OURS[form])


@cache
def published(form: str) -> Any:
    """The schema that the form's owner publishes; None without the folder of real sets."""
    path = real.schema(PUBLISHED[form])
    if path is None:
        return None
    return _relax_ng(path) if path.suffix == ".rnc" else etree.XMLSchema(etree.parse(path))


def faults(form: str, document: Any) -> list[str]:
    """Errors of our schema, if we have one, and of the published one, if available; empty for a valid document."""
    messages = []
    for schema in (ours(form) if form in OURS else None, published(form)):
        if schema is not None and not schema.validate(document):
            messages += [str(error.message) for error in schema.error_log]
    return messages
