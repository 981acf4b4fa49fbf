"""Many desks at once: one loan for a copy, and no more loans than the limit."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable

import pytest
from sqlalchemy import select

from chassis.bus.outbox import outbox
from chassis.errors import Error, Unavailable
from rangkiang.circulation.v1 import loans_pb2 as wire
from services.circulation.tables import Borrower, Copy, Loan, Suspension
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


def test_a_return_and_the_end_of_suspensions_at_once_leave_none_that_follows_an_ended_one(library):
    member, items = library.member(), [library.item(), library.item()]
    for item in items:
        library.check_out(member, item)
    with at("2026-03-12T09:00:00+07:00"):
        library.check_in(items[0])
    with at("2026-03-13T09:00:00+07:00"):
        results = run_at_once([lambda: library.check_in(items[1]), lambda: library.end_suspension(member)])
    assert results == {"done": 2}
    left = [row for row in library.rows(Suspension) if row.ended_at is None]
    assert {row.begins_on.isoformat() for row in left} <= {"2026-03-13"}


def test_acts_of_many_desks_on_a_few_items_leave_one_event_for_each_state_of_an_item(library):
    member, items = library.member(), [library.item() for _ in range(3)]
    loans = {item: library.check_out(member, item).loan.id for item in items}
    acts: list[Callable[[], object]] = [
        lambda: library.call("RenewAll", wire.RenewAllRequest(member=member)),
        *[lambda loan=loan: library.renew(loan) for loan in loans.values()],
        *[lambda item=item: library.check_in(item) for item in items],
        *[lambda item=item: library.check_out(member, item) for item in items],
    ]
    with at("2026-03-03T09:00:00+07:00"):
        run_at_once(acts * 2)
    versions: dict[str, list[int]] = {}
    for body in library.execute(select(outbox.c.body)):
        loan = json.loads(body[0])["loan"]
        versions.setdefault(loan["item_id"], []).append(int(loan["state_version"]))
    stored = {str(copy.id): copy for copy in library.rows(Copy)}
    assert {item: sorted(each) for item, each in versions.items()} == {
        item: list(range(1, copy.state_version + 1)) for item, copy in stored.items()
    }
    open_loans = Counter(str(loan.copy_id) for loan in library.rows(Loan) if loan.returned_at is None)
    assert open_loans == {item: 1 for item, copy in stored.items() if copy.state == "on_loan"}
    assert library.rows(Borrower)[0].lending_version == sum(loan.renewals + 1 for loan in library.rows(Loan)), (
        "each loan and renewal has seen those before it"
    )
