"""The gRPC servicer: it translates requests and results. Each part of the contract has a module."""

from __future__ import annotations

from chassis.database.db import Database
from chassis.rpc.published import PublishedMethods
from chassis.service import Resources
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationServicer
from services.circulation.rpc.lists import ListMethods
from services.circulation.rpc.loans import LoanMethods
from services.circulation.rpc.owners import Owners
from services.circulation.rpc.rules import RuleMethods


class Circulation(LoanMethods, ListMethods, RuleMethods, PublishedMethods, CirculationServicer):
    """The servicer of the whole contract."""

    def __init__(self, resources: Resources) -> None:
        self._database: Database = resources.database
        self._owners = Owners(resources)


def servicer(resources: Resources) -> Circulation:
    """Create the servicer of circulation."""
    return Circulation(resources)
