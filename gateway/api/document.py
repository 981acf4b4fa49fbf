"""Parts of the OpenAPI document that belong to no single route: scopes, tags, headers, and problem documents."""

from __future__ import annotations

from typing import Any

from gateway.api.schemas import JSON, Problem

# Scopes of clients. Operations without one need the token of a person.
SCOPES = {
    "calendars.write": "Replace calendars of branches.",
    "catalog.edit": "Create and edit records and items; print labels.",
    "catalog.manage": "Delete records and items; import files; correct the accession register; set numbers and sheets.",
    "clients.manage": "Add, limit and revoke clients, and read what they request.",
    "facts.loans": "Get events of loans, and read a loan without its member and an item.",
    "institutions.write": "Edit the institution and its branches.",
    "items.edit": "Change items.",
    "items.fast_add": "Add items at a desk.",
    "items.read": "Read items.",
    "loans.lend": "Lend items.",
    "loans.read": "Read loans, policies and calendars.",
    "loans.renew": "Renew loans.",
    "loans.return": "Return items, and count in-library uses.",
    "members.block": "Block members, and end blocks and suspensions.",
    "members.cards": "Issue and print cards.",
    "members.contact": "Read contact data, and answer data requests.",
    "members.erase": "Erase members.",
    "members.merge": "Merge members.",
    "members.read": "Find and read members.",
    "members.write": "Register and change members.",
    "notices.manage": "Change the rules of sending.",
    "notices.read": "Read notices, and the state of channels.",
    "notices.write": "Send notices again, print letters, and answer conversations.",
    "policies.write": "Replace the lending rules.",
    "reports.read": "Read reports.",
    "scans": "Identify scanned codes.",
    "slips.add": "Make password codes for members.",
    "staff.manage": "Add staff, and change their roles.",
    "templates.read": "Read and preview templates of notices.",
    "templates.write": "Change and test templates of notices.",
    "usage.own": "Read what the program itself requests.",
    "webhooks.manage": "Subscribe to events.",
}
# Scopes of clients that no operation has: for a part of a request, such as a waiver, and for the caller's own account.
FURTHER_SCOPES = ("account", "facts.members", "facts.records", "loans.at", "loans.override")

_TAGS = {
    "search": "Find records by words and filters, with completions and the values of facets.",
    "records": "Records in JSON and in other formats, with their items and neighbours.",
    "cataloguing": "Create, edit, delete and restore records; versions of records.",
    "tasks": "Long work, such as imports of files: add it, follow it, cancel it, undo it.",
    "accession register": "Entries of items in the accession register, their corrections, and files of it.",
    "works": "All editions of a work.",
    "browse": "Headings in alphabetical order, and the tree of classes.",
    "institutions": "Institutions, their branches, opening hours and pictures.",
    "items": "Single items: add at the desk, read, change.",
    "labels": "Labels of items, sheets, and barcodes that are printed ahead.",
    "lending": "Acts at the desk: lend, return, count an in-library use.",
    "loans": "Loans of the institution: list, explain, renew.",
    "own loans": "Loans of the member who is signed in.",
    "lending rules": "Policies, calendars and holidays.",
    "members": "Register, find and change members; renew, block, merge and erase memberships.",
    "cards": "Cards of members, password codes, and scanned codes.",
    "data requests": "What members ask about their data: see, correct, erase.",
    "own consents": "Consents of the member who is signed in.",
    "notices": "Reminders, receipts and other messages; preferences, channels and letters to print.",
    "notice templates": "Texts of notices, by kind, channel and language.",
    "conversations": "Messages of people, and the answers of staff.",
    "webhooks": "Events that the library sends to systems of partners.",
    "callbacks of providers": "Routes that providers of channels call.",
    "staff": "Staff of the institution, and clients: programs that call the API.",
    "sandbox": "Libraries for developers, which are deleted at night.",
    "sign-in": "Access tokens, and the account of the caller.",
    "health": "For supervisors of processes and load balancers.",
}
TAGS = [{"name": name, "description": description} for name, description in _TAGS.items()]
SERVERS = [{"url": "/", "description": "The library that serves this document."}]


def _text(description: str, example: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", "examples": [example]}}


_HEADERS = {
    "Location": _text("The address of what was made; it answers GET.", "/api/v1/loans/0192f3a4-5b6c-7d8e-9f07-234567"),
    "ETag": _text("The version of the response, for If-None-Match; that of an object also for If-Match.", '"7"'),
    "Idempotency-Replayed": {
        "description": "`true` when the response is that of an earlier request with the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "RateLimit": _text("Requests that the caller has left, and seconds until the full quota.", '"address";r=118;t=3'),
    "RateLimit-Policy": _text("The quota of the caller, and its period in seconds.", '"address";q=120;w=60'),
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1, "examples": [2]}},
    "WWW-Authenticate": _text("How to authenticate (RFC 6750).", 'Bearer realm="rangkiang"'),
}


def headers_of(*names: str) -> dict[str, Any]:
    """Return references to headers, for a response."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def add_common_parts(document: dict[str, Any]) -> dict[str, Any]:
    """Add headers and the schema of problem documents to FastAPI's document, and return it.

    FastAPI's 422 for invalid input goes, because this API responds with 400, and so do empty defaults of parameters,
    which stand for an absent parameter.
    """
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), "Problem": problem}
    document["components"]["headers"] = _HEADERS
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    paths = [*document["paths"].values(), *document.get("webhooks", {}).values()]
    for operation in (operation for path in paths for operation in path.values()):
        if JSON in operation["responses"].get("422", {}).get("content", {}):
            del operation["responses"]["422"]
        for parameter in operation.get("parameters", ()):
            if parameter["schema"].get("default") in ("", []):
                del parameter["schema"]["default"]
    return document
