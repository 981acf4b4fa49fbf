"""Signed links in notices: each lets its holder do one act on one subject for one member until it expires.

Links are not stored. The text of a link has the member, the act, the subject and the end, and the first half of an
HMAC-SHA-256 under a key that is derived from the master key. So nobody can guess or change a link. The link of an
erased member is invalid. A link that renews has the due date of the loan, so it renews only once.
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
from chassis.errors import Gone, Invalid, NotFound
from chassis.ids import parse_id
from chassis.security.auth import Principal, act_scope
from chassis.security.encryption import MasterKey
from services.members.people.contacts import MOST_MERGES
from services.members.tables import Member

RENEW, OPT_OUT = "renew", "opt_out"
# The first byte of a link's text -> its act. The byte also decides the format of the rest.
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
    """The content of a link.

    subject     for "renew": id of a loan, a colon, its due date (ISO 8601); for "opt_out": a kind of notice, or "all"
    expires_at  seconds are cut off
    """

    member_id: UUID
    act: str
    subject: str
    expires_at: datetime


def make_token(link: ActLink, *, master: MasterKey) -> str:
    """Return the text of a link (TOKEN in PUBLIC_URL/l/TOKEN).

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
    """Return the content of a link.

    raises  NotFound  ACT_LINK_INVALID  this service has not made it
            Gone      ACT_LINK_EXPIRED
    """
    raw = _decode(token)
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not hmac.compare_digest(_mac(body, master), mac) or len(body) <= _HEAD_BYTES:
        raise NotFound("ACT_LINK_INVALID")
    act = _ACTS[body[0]]
    expires_at = datetime.fromtimestamp(int.from_bytes(body[17:_HEAD_BYTES], "big") * 60, UTC)
    if expires_at <= clock.now():
        raise Gone("ACT_LINK_EXPIRED", expired_at=clock.utc_text(expires_at))
    return ActLink(UUID(bytes=body[1:17]), act, _subject_text(act, body[_HEAD_BYTES:]), expires_at)


def holder_of(session: Session, link: ActLink) -> Member:
    """Return the member of a link; after merges the kept member.

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
    """Return the principal of a limited token: it may do one act on one subject for the member, and nothing else."""
    # The same id for the same act, so that idempotency recognises a repeated call. No such session exists or can end.
    session = uuid.uuid5(member.id, act_scope(act, subject))
    return Principal(
        id=str(member.id), institution=str(member.institution_id), session=str(session),
        scopes=frozenset([act_scope(act, subject)]),
    )  # fmt: skip


def check_act_by_phone(act: str, subject: str) -> None:
    """Check an act for a member who has written from their own phone number.

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
    # Several texts decode to the same bytes; only one of them is valid.
    if len(token) > LONGEST_TOKEN or _encode(raw) != token:
        raise NotFound("ACT_LINK_INVALID")
    return raw
