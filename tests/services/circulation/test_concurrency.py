"""Many desks at once: one loan for a copy, and no more loans than the limit."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from chassis.errors import Error, Unavailable
from services.circulation.tables import Loan
from tests.services.circulation.library import UNAND, at


@pytest.fixture(autouse=True)
def monday():
    with at("2026-03-02T09:00:00+07:00"):
        yield


def run_at_once(calls: list[Callable[[], object]]) -> Counter[str]:
    """Run calls in a thread each, from one moment on. Returns how many were done, and how many refused, by reasons."""
    results: Counter[str] = Counter()
    barrier, lock = threading.Barrier(len(calls)), threading.Lock()

    def run(call: Callable[[], object]) -> None:
        barrier.wait()
        result = ""
        while not result:
            try:
                call()
                result = "done"
            except Unavailable:  # all connections are in use for a second
                continue
            except Error as error:
                result = " ".join(sorted(error.reasons))
        with lock:
            results[result] += 1

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_of_twenty_desks_that_lend_one_copy_one_lends_it(library):
    item, members = library.item(), [library.member() for _ in range(20)]
    results = run_at_once([lambda member=member: library.check_out(member, item) for member in members])
    assert results == {"done": 1, "ITEM_ON_LOAN": 19}
    assert len(library.rows(Loan)) == 1


def test_of_forty_scans_for_one_member_as_many_lend_as_the_limit_allows(library):
    campus = {"institution_id": str(UNAND)}
    member = library.member(category="mahasiswa", **campus)
    items = [library.item(branch="limau", **campus) for _ in range(40)]
    context = {"institution": str(UNAND)}
    results = run_at_once(
        [lambda item=item: library.check_out(member, item, branch="limau", context=context) for item in items]
    )
    assert results == {"done": 5, "LOAN_LIMIT_REACHED": 35}
    assert len(library.rows(Loan)) == 5


def test_of_twenty_returns_of_one_copy_one_ends_the_loan(library):
    item = library.item()
    library.check_out(library.member(), item)
    replies: list[bool] = []
    results = run_at_once([lambda: replies.append(library.check_in(item).repeated) for _ in range(20)])
    assert results == {"done": 20}
    assert sorted(replies) == [False, *[True] * 19]
