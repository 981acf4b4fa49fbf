"""The change feed of the API: complete, in order, with deletions."""

from __future__ import annotations

from typing import Any

from tests.builders import book
from tests.gateway.partners.oai.busy import state_of
from tests.gateway.partners.oai.conftest import Repository
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


def test_a_set_limits_the_feed(repository: Repository) -> None:
    repository.put([book("in", items=[("TJH", "T1")]), book("out", items=[("PST", "P1")])])
    changes, _ = follow(repository, set="institution:PKS:TJH")
    assert changes
    assert all("institution:PKS:TJH" in change["sets"] for change in changes)


def test_a_cursor_that_is_none_or_beyond_the_last_change_is_refused(repository: Repository) -> None:
    for cursor in ("x", "-1", "9" * 18, "9" * 19):
        response = repository.response("/api/v1/changes", cursor=cursor)
        assert (response.status_code, response.json()["reason"]) == (400, "CURSOR_INVALID")
