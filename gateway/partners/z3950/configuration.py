"""`rangkiang z3950`: the Z39.50 server, whose configuration is made from the indexes of SRU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final
from xml.etree.ElementTree import Element, indent

import typer

from chassis.output import print_json, print_text
from chassis.settings import environment_with, load
from gateway.partners.sru.indexes import INDEXES
from gateway.partners.sru.schemas import SCHEMAS
from gateway.partners.xml import put, serialize
from gateway.plans import Z3950_PARAMETER
from gateway.settings import Z3950Settings

# Syntaxes that YAZ makes from a schema of SRU. As XML, a client names the schema as its element set.
SYNTAXES: Final = (("usmarc", "marcxml"), ("opac", "opacxml"))
RECORDS_A_REQUEST: Final = 10
ADDRESS: Final = "tcp:@:9999"
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
    text = configuration(sru, database, listen or ADDRESS)
    if listen:
        # A file in memory, which ends with the server; each connection reads it again.
        file = os.memfd_create("z3950.xml", 0)
        os.write(file, text.encode())
        client = load().of(Z3950Settings)
        user = environment_with(SRU_USER=client.z3950_client_id, SRU_PASSWORD=client.z3950_client_secret)
        os.execvpe("perl", ["perl", str(SERVER), f"/proc/self/fd/{file}"], user)  # noqa: S606 — no shell reads the name
    elif json:
        print_json({"configuration": text})
    else:
        print_text(text)


def configuration(sru: str, database: str, listen: str) -> str:
    """Return the configuration of YAZ and Simple2ZOOM: listener, syntaxes, and a database with its use attributes."""
    root = Element("yazgfs")
    put(root, "listen", listen, id="listener")
    server = put(root, "server", id="server", listenref="listener")
    syntaxes = put(server, "retrievalinfo")
    for name, made_from in SYNTAXES:
        backend = put(put(syntaxes, "retrieval", syntax=name), "backend", syntax="xml", name=made_from)
        if name == "usmarc":
            put(backend, "marc", inputformat="xml", outputformat="marc", inputcharset="utf-8", outputcharset="utf-8")
    for schema in SCHEMAS:
        retrieval = put(syntaxes, "retrieval", syntax="xml", name=schema.name, identifier=schema.identifier)
        put(retrieval, "backend", syntax="xml", name=schema.name)
    put(put(syntaxes, "retrieval", syntax="xml"), "backend", syntax="xml", name=SCHEMAS[0].name)
    element = put(root, "database", name=database)
    put(element, "zurl", sru)
    put(element, "resultsetid", "search")
    put(element, "option", "get", name="sru")
    put(element, "option", "1.2", name="sru_version")
    put(element, "option", Z3950_PARAMETER, name="extraArgs")
    put(element, "option", SCHEMAS[0].name, name="schema")
    put(element, "option", str(RECORDS_A_REQUEST), name="presentChunk")
    search = put(element, "search")
    put(search, "querytype", "cql")
    for row in INDEXES:
        for use in row.use:
            put(put(search, "map", use=str(use)), "index", row.names[0])
    indent(root)
    text: str = serialize(root).decode()
    return text
