"""Changes of the wire contract are compatible with the released contract."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from chassis.rpc.interceptors import options_of

CHECKOUT = Path(__file__).resolve().parents[2]
BUF = Path(sys.executable).with_name("buf")


def _breaking(proto: Path) -> subprocess.CompletedProcess[str]:
    released = CHECKOUT / "proto" / "released.binpb"
    return subprocess.run([BUF, "breaking", proto, "--against", released], capture_output=True, text=True, timeout=60)


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    """A copy of the contract for changes."""
    return Path(shutil.copytree(CHECKOUT / "proto", tmp_path / "proto"))


def test_the_contract_is_compatible_with_the_released_one() -> None:
    result = _breaking(CHECKOUT / "proto")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_new_field_is_compatible(proto: Path) -> None:
    text = proto / "rangkiang/common/v1/text.proto"
    text.write_text(text.read_text().replace("string en = 2;", "string en = 2;\n  string min = 3;"))
    assert _breaking(proto).returncode == 0


def test_a_field_that_changes_its_number_is_refused(proto: Path) -> None:
    text = proto / "rangkiang/common/v1/text.proto"
    text.write_text(text.read_text().replace("string en = 2 [", "string en = 3 ["))
    result = _breaking(proto)
    assert result.returncode != 0
    assert "text.proto" in result.stdout


# Methods that change something and need no Idempotency-Key, and why.
NOT_KEYED = {
    "Catalog/NoteSearches": "a batch of the query log may be lost",
    "Members/SignIn": "signing in twice makes two sessions",
    "Members/RenewToken": "a token is no effect",
    "Members/IssueToken": "a token is no effect",
    "Members/GetLink": "reads what a one-time link is for",
    "Members/UseSlip": "a password code works once",
    "Members/UseLink": "a one-time link works once",
    "Members/ChangePassword": "needs the password of before",
    "Members/MakeSlipCode": "the sender may ask again; an earlier code is void",
    "Notifications/ReceiveWhatsApp": "statuses never go backwards, and messages have ids of the provider",
    "Catalog/ChangeItem": "for the version in If-Match; a second time is refused as outdated",
    "Catalog/ReplaceRecord": "for the version in If-Match; a second time changes nothing",
    "Catalog/FinishUpload": "an upload has one task",
    "Catalog/RefuseOffer": "an offer is refused once",
    "Catalog/DeleteRecord": "for the version in If-Match; a second time is refused as deleted",
    "Catalog/SaveDraft": "a second time stores the same",
    "Catalog/DeleteDraft": "a second time changes nothing",
    "Catalog/ReplaceRecordTemplate": "for the version in If-Match; a second time is refused as outdated",
    "Catalog/DeleteRecordTemplate": "for the version in If-Match; a second time finds none",
    "Catalog/RemoveItem": "for the version in If-Match; a second time finds no item",
    "Catalog/PutAccessionRules": "for the version in If-Match; a second time is refused as outdated",
    "Catalog/CorrectAccession": "for the version in If-Match; a second time is refused as outdated",
    "Catalog/PutLabelSheets": "for the version in If-Match; a second time is refused as outdated",
    "Notifications/ChangeWebhook": "for the version in If-Match; a second time is refused as outdated",
    "Members/ChangeMember": "for the version in If-Match; a second time is refused as outdated",
    "Circulation/PutPolicies": "for the version in If-Match; a second time is refused as outdated",
    "Circulation/PutCalendar": "for the version in If-Match; a second time is refused as outdated",
    "Members/ChangeClient": "for the version in If-Match; a second time is refused as outdated",
    "Members/SetRoles": "for the version in If-Match; a second time is refused as outdated",
}


def test_every_method_is_a_read_or_keyed_or_has_a_reason_not_to_be() -> None:
    files = sorted((CHECKOUT / "rangkiang").glob("*/v1/*_pb2.py"))
    modules = [import_module(".".join(path.relative_to(CHECKOUT).with_suffix("").parts)) for path in files]
    without = {
        f"{service.name}/{method.name}"
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        for options in [options_of(f"/{service.full_name}/{method.name}")]
        if not (options.idempotent or options.keyed)
    }
    assert not without - NOT_KEYED.keys()
