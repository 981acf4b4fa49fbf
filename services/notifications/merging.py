"""Copies of members. A merge moves notices to the kept member and keeps the stricter preferences.

After a merge is undone, the separated member has its own preferences again, because they stay in the table. Notices
stay with the kept member, like loans. The kept member's stricter preferences stay too, so that nobody gets notices
again that they had ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, aliased

from chassis.database.sql import upsert_newer
from rangkiang.members.v1.events_pb2 import MemberCopy
from services.notifications.members import kept_id
from services.notifications.preferences import restrict_answers
from services.notifications.tables import Conversation, Member, Message, Notice, PushDevice, RefusedAddress

_WITHOUT_SESSION = {"synchronize_session": False}  # no row of these tables is in the session


def copy_members(session: Session, members: Iterable[MemberCopy]) -> int:
    """Store members, except erased ones; the same or newer versions in the table stay. Returns their number."""
    count = 0
    for member in members:
        count += 1
        member_id = UUID(member.id)
        into = UUID(member.merged_into) if member.merged_into else None
        moved_to = session.scalar(select(Member.moved_to).where(Member.id == member_id))
        row = {
            "id": member_id,
            "institution_id": UUID(member.institution_id),
            "version": member.version,
            "keeps_history": member.keeps_history,
            "merged_into": into,
            "moved_to": into,
            "is_erased": False,
        }
        if not upsert_newer(session, Member, [row], key="id", version="version"):
            continue
        if into is not None and into != moved_to:
            _move(session, member_id, kept_id(session, member_id))
    return count


def _move(session: Session, merged_id: UUID, kept_member_id: UUID) -> None:
    """Move notices, messages, refused addresses and conversations to the kept member, and combine the preferences."""
    own = aliased(Message)
    days = select(own.day).where(own.member_id == kept_member_id, own.day.is_not(None))
    of_merged = Message.member_id == merged_id
    # Both members may have had a digest on the same day, but a member has at most one digest a day.
    session.execute(
        update(Message).where(of_merged, Message.day.in_(days)).values(day=None), execution_options=_WITHOUT_SESSION
    )
    # The texts stay sealed under the key that sealed them.
    key = func.coalesce(Message.key_member_id, Message.member_id)
    session.execute(
        update(Message).where(of_merged).values(member_id=kept_member_id, key_member_id=key),
        execution_options=_WITHOUT_SESSION,
    )
    for table in (Notice, RefusedAddress, Conversation):
        session.execute(update(table).where(table.member_id == merged_id).values(member_id=kept_member_id))
    restrict_answers(session, kept_member_id, merged_id)
    # A device is sealed under the merged member's key, so the person must add the browser again.
    session.execute(delete(PushDevice).where(PushDevice.member_id == merged_id))
