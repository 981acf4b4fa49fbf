"""Run one example service until it is killed: python -m tests.example_services.service_process stock|orders."""

from __future__ import annotations

import sys
import threading
import time

from sqlalchemy import func, select

import tests.example_services.installation as installation_module
from tests.example_services.installation import CLERK, Installation
from tests.example_services.kill_points import installation_of_settings
from tests.example_services.stock.tables import articles

PACE_SECONDS = 0.02


def receive(installation: Installation) -> None:
    """Receive articles without end."""
    while True:
        with installation.stock.database.transaction(CLERK) as session:
            count = session.execute(select(func.count()).select_from(articles)).scalar_one()
            installation.receive_in(session, f"article{count + 1:06}")
        time.sleep(PACE_SECONDS)


def main(name: str) -> None:
    # The test kills this process repeatedly; an event must not become dead for that.
    installation_module.BACKOFF_SECONDS = (0.1,) * 50
    installation, never = installation_of_settings(), threading.Event()
    resources = installation.stock if name == "stock" else installation.orders
    loops = [installation.run_relay] + [installation.run_handlers] * installation.is_local
    for loop in loops:
        threading.Thread(target=loop, args=(resources, never)).start()
    if name == "stock":
        receive(installation)


if __name__ == "__main__":
    main(*sys.argv[1:])
