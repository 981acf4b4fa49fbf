"""`work` of a service with other delays between the attempts of a failed handler."""

from __future__ import annotations

import runpy
import sys

from chassis import bus


def main(service: str, backoff: str) -> None:
    """Run the worker. backoff  seconds between attempts, with commas"""
    bus.BACKOFF_SECONDS = tuple(map(float, backoff.split(",")))
    sys.argv = ["worker", service, "--json"]
    runpy.run_module("chassis.bus.nameko", run_name="__main__", alter_sys=True)
