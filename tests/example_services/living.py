"""One example service at work until it is killed: python -m tests.example_services.living stock|orders."""

from __future__ import annotations

import sys
import threading
import time

from sqlalchemy import func, select

import tests.example_services.installation as installation_module
from tests.example_services.dying import installation_of_settings
from tests.example_services.installation import CLERK, Installation
from tests.example_services.stock.tables import articles

PACE_SECONDS = 0.02


def receive(installation: Installation) -> None:
    """One article after the other."""
    while True:
        with installation.stock.database.transaction(CLERK) as session:
            received = session.execute(select(func.count()).select_from(articles)).scalar_one()
            installation.receive_in(session, f"article{received + 1:06}")
        time.sleep(PACE_SECONDS)


def main(name: str) -> None:
    # Being killed over and over while it handles one fact is no reason to give that up here.
    installation_module.BACKOFF_SECONDS = (0.1,) * 50
    installation, never = installation_of_settings(), threading.Event()
    resident = installation.stock if name == "stock" else installation.orders
    runs = [installation.run_relay] + [installation.run_handlers] * installation.is_local
    for run in runs:
        threading.Thread(target=run, args=(resident, never)).start()
    if name == "stock":
        receive(installation)


if __name__ == "__main__":
    main(*sys.argv[1:])
