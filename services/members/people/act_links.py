"""Links in notices: signed, of one member, for one act on one subject, until they expire; and what their holder may do.

A link is no secret of a table: its text has the member, the act, the subject and the end, and the first half of an
HMAC-SHA-256 under a key that is derived from the master key. So nobody can guess or change one, and a link of a member
who was erased is void. A link that renews names the due day that the loan has: after the renewal it renews nothing.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from chassis import clock
from chassis.auth import Principal, act_scope
from chassis.errors import Gone, Invalid, NotFound
from chassis.ids import parse_id
from chassis.sealing import MasterKey
from services.members.people.contacts import MOST_MERGES
from services.members.tables import Member

RENEW, OPT_OUT = "renew", "opt_out"
# Acts of a link by the first byte of its text, which also says the form.
_ACTS = {1: RENEW, 2: OPT_OUT}
_CODES = {act: code for code, act in _ACTS.items()}
# Acts of a member who has written from their own phone number.
_BY_PHONE = ("loans", "renew_all", OPT_OUT)
LONGEST_LIFE = timedelta(days=60)
_MAC_BYTES = 16
_HEAD_BYTES = 1 + 16 + 4
_DAY_BYTES = 3
LONGEST_TOKEN = 200
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,39}")


@dataclass(frozen=True, slots=True)
class ActLink:
    """What a link is for.

    subject     of "renew": id of a loan, a colon, its due day (ISO 8601); of "opt_out": a kind of notices, or "all"
    expires_at  to the minute
    """

    member_id: UUID
    act: str
    subject: str
    expires_at: datetime


def make_token(link: ActLink, *, master: MasterKey) -> str:
    """Return the text of a link.

    raises  Invalid  ACT_UNKNOWN, ACT_SUBJECT_INVALID, ACT_LINK_LIFE  it lasts longer than 60 days
    """
    if link.act not in _CODES:
        raise Invalid("ACT_UNKNOWN", given=link.act[:40])
    if link.expires_at > clock.now() + LONGEST_LIFE:
        raise Invalid("ACT_LINK_LIFE", days=LONGEST_LIFE.days)
    minute = int(link.expires_at.timestamp()) // 60
    head = bytes([_CODES[link.act]]) + link.member_id.bytes + minute.to_bytes(4, "big")
    body = head + _subject_bytes(link.act, link.subject)
    return _encode(body + _mac(body, master))


def read_token(token: str, *, master: MasterKey) -> ActLink:
    """Return what a link is for.

    raises  NotFound  ACT_LINK_INVALID  members has not made it
            Gone      ACT_LINK_EXPIRED
    """
    raw = _decode(token)
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not hmac.compare_digest(_mac(body, master), mac) or len(body) <= _HEAD_BYTES:
        raise NotFound("ACT_LINK_INVALID")
    act = _ACTS[body[0]]
    expires_at = datetime.fromtimestamp(int.from_bytes(body[17:_HEAD_BYTES], "big") * 60, UTC)
    if expires_at <= clock.now():
        raise Gone("ACT_LINK_EXPIRED", expired_at=expires_at.isoformat())
    return ActLink(UUID(bytes=body[1:17]), act, _subject_text(act, body[_HEAD_BYTES:]), expires_at)


def holder_of(session: Session, link: ActLink) -> Member:
    """Return the member of a link, after merges the one that was kept.

    raises  NotFound  ACT_LINK_INVALID  the member was erased
    """
    member = session.get(Member, link.member_id)
    for _ in range(MOST_MERGES):
        if member is None or member.merged_into is None:
            break
        member = session.get(Member, member.merged_into)
    if member is None or member.erased_at is not None:
        raise NotFound("ACT_LINK_INVALID")
    return member


def principal_of(member: Member, act: str, subject: str) -> Principal:
    """Return what a limited token says: its bearer may do one act on one subject as the member, and nothing else."""
    # The same for the same act, so that a repeated call is known as one; it is no session that could end.
    session = uuid.uuid5(member.id, act_scope(act, subject))
    return Principal(
        id=str(member.id), institution=str(member.institution_id), session=str(session),
        scopes=frozenset([act_scope(act, subject)]),
    )  # fmt: skip


def check_act_by_phone(act: str, subject: str) -> None:
    """Check what a member asks for who has written from their own phone number.

    raises  Invalid  ACT_UNKNOWN, ACT_SUBJECT_INVALID
    """
    if act not in _BY_PHONE:
        raise Invalid("ACT_UNKNOWN", given=act[:40])
    if act == OPT_OUT:
        _subject_bytes(act, subject)
    elif subject:
        raise Invalid("ACT_SUBJECT_INVALID", act=act)


def _subject_bytes(act: str, subject: str) -> bytes:
    if act == OPT_OUT:
        if not _KIND.fullmatch(subject):
            raise Invalid("ACT_SUBJECT_INVALID", act=act)
        return subject.encode()
    loan, _, due_on = subject.partition(":")
    try:
        return parse_id(loan).bytes + date.fromisoformat(due_on).toordinal().to_bytes(_DAY_BYTES, "big")
    except (Invalid, ValueError):
        raise Invalid("ACT_SUBJECT_INVALID", act=act) from None


def _subject_text(act: str, data: bytes) -> str:
    if act == OPT_OUT:
        return data.decode()
    return f"{UUID(bytes=data[:16])}:{date.fromordinal(int.from_bytes(data[16:], 'big')).isoformat()}"


def _mac(body: bytes, master: MasterKey) -> bytes:
    return master.lookup("act-link", body.hex())[:_MAC_BYTES]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(token: str) -> bytes:
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise NotFound("ACT_LINK_INVALID") from None
    # Of several texts of the same bytes one counts.
    if len(token) > LONGEST_TOKEN or _encode(raw) != token:
        raise NotFound("ACT_LINK_INVALID")
    return raw
