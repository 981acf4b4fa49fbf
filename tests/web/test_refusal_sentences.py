"""Refusals on a page name fields by their labels, and show no identifier, index or UUID."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from starlette.requests import Request

from chassis import sentences
from chassis.errors import Invalid, Refusal
from chassis.service import service_names
from gateway.web.forms import Form, refuse

ROOT = Path(__file__).parents[2]
PACKAGES = ["gateway", *(f"services/{name}" for name in service_names())]
# Facts that hold a UUID, or a code of the API or of the rules. Other facts hold what people typed or read.
UUIDS = dict.fromkeys(
    ("id", "ids", "record", "item", "member", "webhook", "block", "print", "template"),
    "0197a1b2-7c6d-7e5f-8a9b-0c1d2e3f4a5b",
)
CODES = dict.fromkeys(("collection", "state", "status"), "closed_stacks")
FIELD = {"field": "rows[7].not_for_loan_sentence"}
# Of checks and commands, for operators; of mail to them; of the API alone; and a template's filters as one writes them.
ON_NO_PAGE = ("CHECK_", "IMPORT_", "ITEM_MAP_", "INSTITUTIONS_FILE_", "CHANNEL_TESTED", "EXPORT_UNLIKE",
              "WEBHOOK_DISABLED_TEXT", "CLIENT_GIVEN_TWICE", "CLIENT_MISSING", "CLIENT_REFUSED", "GRANT_TYPE_",
              "LOAN_POLICY", "NOTICE_STATE_UNKNOWN", "TEMPLATE_FILTER_UNKNOWN")  # fmt: skip
NAMES = re.compile(r"[a-z]_[a-z]|\w\[\d*\]|[0-9a-f]{8}-[0-9a-f]{4}")
CASES = [
    (reason, text)
    for package in PACKAGES
    if (ROOT / package / sentences.FILE).exists()
    for reason, text in sentences.read(ROOT / package / sentences.FILE).items()
    if not reason.startswith(ON_NO_PAGE)
]


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize(("reason", "text"), CASES, ids=[reason for reason, _ in CASES])
def test_a_refusal_shows_no_name_of_the_code(reason: str, text: sentences.LocalText, language: str) -> None:
    names = {name for _, name, _, _ in string.Formatter().parse(text.id) if name}
    facts = dict.fromkeys(names, "7") | {
        name: value for name, value in (UUIDS | CODES | FIELD).items() if name in names
    }
    refusal = Refusal.received(reason, facts, text.format(facts))
    request = Request(
        {
            "type": "http",
            "headers": [(b"accept-language", language.encode())],
            "state": {},
            "query_string": b"",
            "path": "/",
        }
    )
    form = refuse(request, Form("", ""), Invalid(refusals=[refusal]), {})
    assert not NAMES.search(form.general[0])
