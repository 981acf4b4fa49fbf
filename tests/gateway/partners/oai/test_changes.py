"""The change feed of the API: complete, in order, with deletions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chassis.cursors import read_cursor, write_cursor
from chassis.service import Resources
from chassis.settings import Settings
from chassis.urls import resolve
from gateway.partners.oai import routes
from services.catalog.service import SERVICE
from tests.builders import book
from tests.gateway.partners.oai.busy import state_of
from tests.gateway.partners.oai.conftest import OAI, Repository
from tests.services.catalog.importing.test_deletions import deletion


def page(repository: Repository, **query: str) -> Any:
    response = repository.response("/api/v1/changes", **query)
    assert response.status_code == 200, response.text
    return response.json()


def follow(repository: Repository, cursor: str = "", **query: str) -> tuple[list[Any], str]:
    """Read pages until one has no hits. Returns the changes and the cursor."""
    changes: list[Any] = []
    while hits := (reply := page(repository, cursor=cursor, limit="2", **query))["hits"]:
        changes += hits
        cursor = reply["next"]
    return changes, reply["next"]


def test_a_follower_of_the_feed_has_every_change(repository: Repository) -> None:
    repository.put([book(str(number), f"Buku {number}", items=[("PST", f"C{number}")]) for number in range(5)])
    changes, cursor = follow(repository)
    copy = {change["id"]: change["is_deleted"] for change in changes}
    assert copy == state_of(repository.database)
    repository.put([book("1", "Buku lain"), deletion("2"), book("9")])
    later, last = follow(repository, cursor)
    assert [change["is_deleted"] for change in later].count(True) == 1
    assert len(later) == 3
    copy |= {change["id"]: change["is_deleted"] for change in later}
    assert copy == state_of(repository.database)
    times = [change["changed_at"] for change in [*changes, *later]]
    assert times == sorted(times)
    assert page(repository, cursor=last) == {"hits": [], "next": last}


def test_a_follower_that_asks_again_gets_304_until_something_changes(repository: Repository) -> None:
    repository.put([book("again")])
    _, cursor = follow(repository)
    first = repository.response("/api/v1/changes", cursor=cursor)
    headers = {"If-None-Match": first.headers["etag"]}
    assert repository.response("/api/v1/changes", headers=headers, cursor=cursor).status_code == 304
    repository.put([book("again", "Buku lain")])
    assert len(repository.response("/api/v1/changes", headers=headers, cursor=cursor).json()["hits"]) == 1


def test_a_set_limits_the_feed(repository: Repository) -> None:
    repository.put([book("in", items=[("TJH", "T1")]), book("out", items=[("PST", "P1")])])
    changes, _ = follow(repository, set="institution:PKS:TJH")
    assert changes
    assert all("institution:PKS:TJH" in change["sets"] for change in changes)


def test_after_a_restore_cursors_and_tokens_from_before_are_refused(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "RECORDS_A_PAGE", 3)
    repository.put([book(f"restored{number}") for number in range(4)])
    _, cursor = follow(repository)
    arguments = {"verb": "ListRecords", "metadataPrefix": "oai_dc"}
    token = repository.document(**arguments).findtext(f".//{OAI}resumptionToken")
    resources = Resources(settings=Settings(data=tmp_path), database=repository.database, service=SERVICE)
    for hook in SERVICE.after_restore:
        resolve(hook)(resources)
    assert repository.response("/api/v1/changes", cursor=cursor).json()["reason"] == "CURSOR_INVALID"
    assert repository.error(verb="ListRecords", resumptionToken=token) == "badResumptionToken"
    changes, cursor = follow(repository)
    assert {change["id"]: change["is_deleted"] for change in changes} == state_of(repository.database)
    assert page(repository, cursor=cursor)["hits"] == []
    following = repository.document(**arguments).findtext(f".//{OAI}resumptionToken")
    assert repository.document(verb="ListRecords", resumptionToken=following).find(f"{OAI}error") is None


def test_a_cursor_that_is_none_or_beyond_the_last_change_is_refused(repository: Repository) -> None:
    _, last = follow(repository)
    epoch, number = read_cursor(last, "changes", str, int)
    beyond = [write_cursor("changes", epoch, after) for after in (number + 1, -1, 2**63, str(number))]
    other_epoch = write_cursor("changes", "0" * 16, number)
    for cursor in ("x", "1", other_epoch, write_cursor("browse", epoch, number), *beyond):
        response = repository.response("/api/v1/changes", cursor=cursor)
        assert (response.status_code, response.json()["reason"]) == (400, "CURSOR_INVALID")
