"""`rangkiang z3950`: the Z39.50 server, whose configuration is made from the indexes of SRU."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Final
from xml.etree.ElementTree import Element, indent

import typer

from chassis.output import print_json, print_text
from gateway.partners.sru.indexes import INDEXES
from gateway.partners.sru.schemas import SCHEMAS
from gateway.partners.xml import put, serialize

USMARC: Final = "1.2.840.10003.5.10"
RECORDS_A_REQUEST: Final = 10
SERVER: Final = Path(__file__).parent / "server.pl"
app = typer.Typer(add_completion=False)


@app.command("z3950")
def z3950(
    sru: Annotated[str, typer.Option(help="URL of SRU for the server.")] = "http://127.0.0.1:8080/sru",
    database: Annotated[str, typer.Option(help="Name of the database for clients.")] = "rangkiang",
    listen: Annotated[
        str, typer.Option(help="Start the server at this address, such as tcp:@:9999, in place of this command.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object with the text in `configuration`.")] = False,
) -> None:
    """Print the configuration of the Z39.50 server, or start the server with it.

    The server needs the Debian package libnet-z3950-simple2zoom-perl.
    """
    text = configuration(sru, database)
    if listen:
        file = Path(mkdtemp(prefix="rangkiang-z3950-"), "z3950.xml")
        file.write_text(text, "utf-8")
        os.execvp("perl", ["perl", str(SERVER), str(file), listen])  # noqa: S606 — no shell reads the address
    elif json:
        print_json({"configuration": text})
    else:
        print_text(text)


def configuration(sru: str, database: str) -> str:
    """Return the configuration: one database, its use attributes, and USMARC records from MARCXML."""
    root = Element("client")
    element = put(root, "database", name=database)
    put(element, "zurl", sru)
    put(element, "resultsetid", "search")
    put(element, "option", "get", name="sru")
    put(element, "option", "1.2", name="sru_version")
    put(element, "option", SCHEMAS[0].name, name="schema")
    put(element, "option", str(RECORDS_A_REQUEST), name="presentChunk")
    search = put(element, "search")
    put(search, "querytype", "cql")
    for row in INDEXES:
        for use in row.use:
            put(put(search, "map", use=str(use)), "index", row.names[0])
    put(element, "schema", oid=USMARC, sru=SCHEMAS[0].identifier, format="MARC21", encoding="UTF-8")
    indent(root)
    text: str = serialize(root).decode()
    return text
