"""Who made versions and changes, and when, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.timestamp_pb2 import Timestamp
from starlette.requests import Request

from chassis.errors import TooLate, Unavailable
from gateway.clients import call, members
from gateway.libraries import libraries
from gateway.sessions import session_of
from gateway.web.desk.notices import moment
from gateway.web.texts import Wording, words_of
from rangkiang.members.v1 import staff_pb2

_SYSTEM = "system:"


async def names_of_actors(request: Request, actors: Iterable[str]) -> dict[str, str]:
    """Return the names of staff by id; none while members is not available."""
    ids = sorted({actor for actor in actors if actor and not actor.startswith(_SYSTEM)})
    if not ids:
        return {}
    try:
        return dict((await call(request, members(request).NameStaff, staff_pb2.NameStaffRequest(ids=ids))).names)
    except (Unavailable, TooLate):
        return {}


def actor_name(actor: str, names: Mapping[str, str], words: Wording) -> str:
    """Return who acted: a name, an import, the system, or an account or a program without a name."""
    if not actor:
        return words.say("versions.by_import")
    if actor.startswith(_SYSTEM):
        return words.say("versions.by_system")
    return names.get(actor) or words.say("versions.by_other")


def local_moment(request: Request, timestamp: Timestamp) -> str:
    """Return a day and time in the zone of the caller's institution; "" for an unset timestamp."""
    session = session_of(request)
    institutions = libraries(request).known_directory().institutions
    own = institutions.get(session.account.institution) if session else None
    return moment(timestamp, words_of(request), own.zone if own else "")
