"""Lending rules over HTTP: policies, calendars, holidays and the report of lending."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import insert

from chassis.context import system
from chassis.security.auth import Principal
from gateway.api.policies import MOST_NUMBER
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy
from rangkiang.circulation.v1.models import PolicyRowBody
from rangkiang.common.v1.text_pb2 import LocalText
from services.circulation.institutions import copy_institutions
from services.circulation.policies import PolicyRow, write_rows
from services.circulation.tables import DailyCount
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import running, served_catalog, served_gateway

OWN = UUID(int=1)
TEST = system("test")


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    """The API as a manager calls it."""
    with served_catalog(FakeCatalog()) as catalog, served_gateway(catalog) as address:
        members = running["members"]
        keys = Keys(members.database, members.settings.of(MembersSettings))
        assert keys.master.fingerprint
        name = LocalText(id="Pusat", en="Main")
        branch = BranchCopy(id=str(uuid.uuid4()), code="PST", name=name, zone="Asia/Jayapura")
        copy = InstitutionCopy(
            id=str(OWN), version=1, code="PKS", name=name, kind="public", zone="Asia/Jakarta", branches=[branch]
        )
        with running["circulation"].database.transaction(TEST) as session:
            copy_institutions(session, [copy])
        principal = Principal(str(uuid.uuid4()), str(OWN), str(uuid.uuid4()), scopes_of(["manager"]))
        headers = {"Authorization": f"Bearer {keys.sign(principal)}", "Accept-Language": "en"}
        with httpx.Client(base_url=f"{address}/api/v1", headers=headers, timeout=30, verify=False) as http:
            yield http


def put(api: httpx.Client, path: str, body: Any, tag: str) -> httpx.Response:
    return api.put(path, json=body, headers={"If-Match": tag})


def test_rules_are_read_changed_and_sent_back(api):
    answer = api.get("/policies")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"0"')
    rules = answer.json()
    rules["rows"][0] |= {"loan_limit": 4, "last_due_on": "2026-12-18"}
    for row in rules["rows"][1:]:  # they inherit both
        row["last_due_on"] = "2026-12-18"
        row["loan_limit"] = 4 if "loan_limit" in row["inherits"] else row["loan_limit"]
    judged = put(api, "/policies", {**rules, "dry_run": True}, answer.headers["ETag"])
    assert (judged.status_code, judged.headers["ETag"]) == (200, '"0"')
    assert judged.json()["preview"] == {"loans": 0, "refused": 0, "longer": 0, "shorter": 0}
    saved = put(api, "/policies", rules, answer.headers["ETag"])
    assert (saved.status_code, saved.headers["ETag"]) == (200, '"1"')
    assert {**api.get("/policies").json(), "preview": None} == saved.json() == {**rules, "version": 1, "preview": None}
    late = put(api, "/policies", {**rules, "default_category": "anak"}, answer.headers["ETag"])
    assert (late.status_code, late.json()["reason"]) == (412, "VERSION_OUTDATED")
    assert api.put("/policies", json=rules).status_code == 428
    [version] = api.get("/policies/versions").json()["hits"]
    assert (version["version"], version["rows"]) == (1, len(rules["rows"]))
    assert api.get("/policies/versions/1").json()["rows"] == rules["rows"]
    missing = api.get("/policies/versions/2")
    assert (missing.status_code, missing.json()["reason"]) == (404, "POLICY_VERSION_NOT_FOUND")


def test_rules_with_faults_are_refused_with_each_of_them(api):
    tag = api.get("/policies").headers["ETag"]
    rows = [{"category": "umun", "period": 0}, {"category": "umum", "fine_per_day": 1000, "suspension_cap": 30}]
    answer = put(api, "/policies", {"rows": rows, "default_category": "umum"}, tag)
    assert answer.status_code == 400
    assert {(refusal["reason"], refusal["facts"]["field"]) for refusal in answer.json()["refusals"]} == {
        ("POLICY_GAP", "/rows"),
        ("POLICY_CODE_UNKNOWN", "/rows/0/category"),
        ("POLICY_VALUE_INVALID", "/rows/0/period"),
        ("POLICY_FINE_AND_SUSPENSION", "/rows/1/suspension_cap"),
    }
    unread = put(api, "/policies", {"rows": [{"period": -1, "colour": "red"}]}, tag)
    assert [refusal["reason"] for refusal in unread.json()["refusals"]] == ["FIELD_OUT_OF_RANGE", "FIELD_UNKNOWN"]


def test_the_service_judges_every_number_up_to_the_bound_of_the_api(api):
    tag = api.get("/policies").headers["ETag"]
    for fine, reason in ((MOST_NUMBER, "POLICY_VALUE_INVALID"), (MOST_NUMBER + 1, "FIELD_OUT_OF_RANGE")):
        body = {"rows": [{"fine_per_day": fine}], "default_category": "umum", "dry_run": True}
        assert reason in {refusal["reason"] for refusal in put(api, "/policies", body, tag).json()["refusals"]}
    highest = {"fine_per_day": 10_000_000, "fine_cap": MOST_NUMBER}
    assert put(api, "/policies", {**body, "rows": [highest]}, tag).status_code == 200


def test_a_row_of_the_api_has_the_defaults_of_the_service():
    given = PolicyRowBody().model_dump()
    assert given.pop("inherits") == []
    stored = write_rows([PolicyRow()])[0]
    assert given == {
        name: None if value in ("", 0) and given[name] is None else value for name, value in stored.items()
    }


def test_a_calendar_is_read_changed_and_sent_back(api):
    answer = api.get("/calendars/PKS/PST")
    assert answer.headers["ETag"] == '"0"'
    calendar = answer.json()
    assert (calendar["zone"], calendar["closed"]) == ("Asia/Jayapura", [])
    holidays = api.get("/holidays", params={"year": 2026}).json()
    calendar["weekly"] |= {"mon": [["08:00", "16:00"]], "fri": [["08:00", "11:30"], ["13:30", "16:00"]]}
    calendar["closed"] = [day for day in holidays["hits"] if day["from"].startswith("2026-03")]
    calendar["seasons"] = [
        {"from": "2026-02-18", "to": "2026-03-17", "why": "Ramadan", "weekly": {"mon": [["08:00", "14:00"]]}}
    ]
    calendar["confirmed_years"] = [2026]
    saved = put(api, "/calendars/PKS/PST", calendar, answer.headers["ETag"])
    assert (saved.status_code, saved.headers["ETag"]) == (200, '"1"')
    assert {**api.get("/calendars/PKS/PST").json(), "moved": [], "moved_total": 0} == saved.json()
    assert [day["from"][-2:] for day in saved.json()["closed"]] == ["18", "19", "20", "21", "22", "23", "24"]
    assert saved.json()["weekly"]["fri"] == [["08:00", "11:30"], ["13:30", "16:00"]]
    late = put(api, "/calendars/PKS/PST", {"weekly": {}}, answer.headers["ETag"])
    assert (late.status_code, late.json()["facts"]["version"]) == (412, 1)
    wrong = put(api, "/calendars/PKS/PST", {"weekly": {"mon": [["16:00", "08:00"]]}, "closed": [{"from": "x"}]}, '"1"')
    assert [refusal["facts"]["field"] for refusal in wrong.json()["refusals"]] == ["/weekly/mon/0", "/closed/0/from"]
    assert put(api, "/calendars/PKS/PST", {"weekly": {"senin": []}}, '"1"').json()["reason"] == "FIELD_UNKNOWN"
    assert api.get("/calendars/PKS/nowhere").json()["reason"] == "BRANCH_UNKNOWN"


def test_the_report_is_json_or_csv(api):
    columns = ("collection", "ddc_class", "language", "audience", "category", "age_band", "sex", "region", "channel")
    row = dict.fromkeys(columns, "") | {"institution_id": OWN, "date": date(2026, 6, 1), "kind": "loan"}
    with running["circulation"].database.transaction(TEST) as session:
        session.execute(
            insert(DailyCount), [{**row, "id": uuid.uuid4(), "branch": name} for name in ("PST", "=1+1", "＝2")]
        )
    days = {"from": "2026-06-01", "to": "2026-06-30"}
    report = api.get("/reports/lending", params=days).json()
    assert [(row["value"], row["loans"]) for row in report["hits"]] == [("PKS/=1+1", 1), ("PKS/PST", 1), ("PKS/＝2", 1)]
    rows = (
        "\ufeffbranch,loans,renewals,returns,in_library_uses,refusals",
        "PKS/=1+1,1,0,0,0,0",
        "PKS/PST,1,0,0,0,0",
        "PKS/＝2,1,0,0,0,0",
    )
    lines = "".join(f"{row}\r\n" for row in rows)
    answer = api.get("/reports/lending.csv", params=days)
    assert (answer.headers["Content-Type"], answer.text) == ("text/csv; charset=utf-8", lines)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="lending.csv"'
    wrong = api.get("/reports/lending", params={**days, "by": "member"})
    assert wrong.json()["reason"] == "PARAMETER_NOT_A_CHOICE"
    assert api.get("/reports/lending", params={**days, "to": "2026"}).json()["reason"] == "REPORT_DAYS_INVALID"
