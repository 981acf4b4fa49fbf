"""A resident of the toys' house at work until it is killed: python -m tests.toys.living pantry|kitchen."""

from __future__ import annotations

import sys
import threading
import time

from sqlalchemy import func, select

import tests.toys.house as house_module
from tests.toys.dying import house_of_settings
from tests.toys.house import COOK, House
from tests.toys.pantry.tables import jars

PACE_SECONDS = 0.02


def fill(house: House) -> None:
    """One jar after the other."""
    while True:
        with house.pantry.database.transaction(COOK) as session:
            filled = session.execute(select(func.count()).select_from(jars)).scalar_one()
            house.fill_in(session, f"jar{filled + 1:06}")
        time.sleep(PACE_SECONDS)


def main(name: str) -> None:
    # Being killed over and over while it handles one fact is no reason to give that up here.
    house_module.BACKOFF_SECONDS = (0.1,) * 50
    house, never = house_of_settings(), threading.Event()
    resident = house.pantry if name == "pantry" else house.kitchen
    runs = [house.run_relay] + [house.run_handlers] * house.is_local
    for run in runs:
        threading.Thread(target=run, args=(resident, never)).start()
    if name == "pantry":
        fill(house)


if __name__ == "__main__":
    main(*sys.argv[1:])
