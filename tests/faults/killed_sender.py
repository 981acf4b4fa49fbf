"""A sender of notices in a process that tests kill.

Members answer from memory, each with an address that is made from the id; mails go to an SMTP server on this machine.
It sends what waits, prints what it has recovered, and ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

from chassis.database.db import Database
from chassis.output import print_json
from chassis.security.encryption import require_master_key
from rangkiang.members.v1.contacts_pb2 import MemberContact
from services.notifications.channels.opening import open_channels
from services.notifications.sending.sender import Sender
from services.notifications.service import SERVICE
from services.notifications.templates.store import render
from tests.fakes.notices import FakeOwners


def address_of(member_id: UUID) -> str:
    return f"{member_id.hex}@example.org"


class EveryMember(FakeOwners):
    """Any member, with an address."""

    def contacts(self, ids: Sequence[UUID]) -> Mapping[UUID, MemberContact]:
        return {
            member_id: MemberContact(id=str(member_id), name="Siti", language="id", email=address_of(member_id))
            for member_id in ids
        }


def main(url: str, port: str, key: str) -> None:
    database = Database(url, protected_tables=SERVICE.protected_tables)
    channels = open_channels(f"smtp://127.0.0.1:{port}?tls=none&from=pustaka@kota.example&rate=100000")
    master = require_master_key(Path(key))
    sender = Sender(database, EveryMember(), channels, read_master=lambda: master, render=render)
    recovered = sender.recover()
    while not sender.run_round():
        pass
    for channel in channels:
        channel.close()
    database.close()
    print_json({"recovered": recovered})
