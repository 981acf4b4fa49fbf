"""Decides about waiting notices: drop, postpone, print, or draft for a channel. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.ids import new_id
from rangkiang.members.v1.contacts_pb2 import MemberContact
from services.notifications.channels.port import Channel, Outcome, usable_by
from services.notifications.institutions import local_day
from services.notifications.notices import (
    DUE_DATE_MOVED,
    DUE_SOON,
    LOAN_RECEIPT,
    OF_DUE_DATE,
    RENEWAL_RECEIPT,
    moment_of,
)
from services.notifications.sending.queue import WAITING_KINDS, SendingData, Work
from services.notifications.sending.recipients import PRINT, UNREACHABLE, Option, Recipient, find_recipient
from services.notifications.sending.texts import Draft, in_order
from services.notifications.tables import Notice
from services.notifications.templates.kinds import KINDS

ALL_CHANNELS_FAILED = "ALL_CHANNELS_FAILED"
MEMBER_UNKNOWN, KIND_UNKNOWN = "MEMBER_UNKNOWN", "KIND_UNKNOWN"
# The service members cannot decrypt the contact data of this member.
CONTACT_UNREADABLE = "CONTACT_UNREADABLE"
# When a notice has waited this long for a closed channel, the next channel is used.
LONGEST_CLOSED = timedelta(hours=6)
# Seconds until the next attempt over the same channel; after the last attempt the next channel is used.
BACK_OFF_SECONDS = (60, 300, 900, 3_600, 10_800, 21_600)
# Most attempts over one channel for notices that are sent at once, if there is another channel.
TRIES_AT_ONCE = 3
FULL_MAILBOX = timedelta(days=1)  # how long a full mailbox is tried


@dataclass(slots=True)
class Decision:
    """The decision about one member's work.

    ended      (state "dropped", "print" or "failed", reason) -> notices
    put_off    the moment until which the other notices wait
    draft      the message that is handed over now
    """

    work: Work
    ended: dict[tuple[str, str], list[Notice]] = field(default_factory=dict)
    put_off: datetime | None = None
    draft: Draft | None = None

    def end(self, notice: Notice, state: str, reason: str) -> None:
        self.ended.setdefault((state, reason), []).append(notice)


@dataclass(frozen=True, slots=True)
class Judge:
    """Decides about work, with data that was read before.

    hash_of       returns the keyed hash of an address in an institution
    closed_until  channel -> moment until which it accepts nothing
    away          closed channels with an open circuit; other closed channels have only reached their rate
    """

    data: SendingData
    channels: Sequence[Channel]
    hash_of: Callable[[UUID, str], bytes]
    closed_until: Mapping[str, datetime]
    away: Collection[str] = ()

    def decide(self, work: Work, contact: MemberContact | None, now: datetime) -> Decision:
        """Decide about the work of one member.

        contact  None when the member is unknown or erased
        """
        decision = Decision(work)
        if not work.notices:
            return decision
        if contact is None or contact.is_unreadable:
            state, reason = ("dropped", MEMBER_UNKNOWN) if contact is None else ("failed", CONTACT_UNREADABLE)
            for notice in work.notices:
                decision.end(notice, state, reason)
            return decision
        zone = self._zone(work)
        today = local_day(now, zone)
        institution_id = work.notices[0].institution_id
        kept: list[Notice] = []
        recipients: dict[str, Recipient] = {}
        for notice in in_order(work.notices):
            mark = self.data.marks.get(notice.loan_id) if notice.loan_id is not None else None
            if notice.kind not in KINDS:
                decision.end(notice, "dropped", KIND_UNKNOWN)
            elif reason := reason_gone(notice, mark, today=today, now=now):
                decision.end(notice, "dropped", reason)
            else:
                if notice.kind not in recipients:
                    recipients[notice.kind] = self._recipient(notice, contact, work)
                self._keep_or_end(notice, recipients[notice.kind], work, decision, kept)
        if not kept:
            return decision
        until = self._put_off_until(work, kept, now, zone)
        if until is not None:
            decision.put_off = until
            return decision
        kind, folded, options = _fold(kept, recipients)
        option = self._next_option(options, work, kept, now)
        if option is None:
            names = {option.channel.name for option in options}
            closed = [until for name, until in self.closed_until.items() if name in names]
            decision.put_off = min(closed) if closed else now + timedelta(minutes=1)
            return decision
        message = work.message
        decision.draft = Draft(
            message_id=message.id if message is not None else new_id(),
            institution_id=institution_id,
            member_id=work.member_id,
            kind=kind,
            notices=folded,
            contact=contact,
            recipient=recipients[folded[0].kind],
            options=options,
            option=option,
            zone=zone,
            today=today,
            is_new=message is None,
        )
        return decision

    def _recipient(self, notice: Notice, contact: MemberContact, work: Work) -> Recipient:
        kind = KINDS[notice.kind]
        institution = self.data.places.institutions.get(notice.institution_id)
        code = institution.code if institution is not None else ""
        return find_recipient(
            contact,
            kind,
            channels=usable_by(code, self.channels),
            answers=self.data.answers.get(work.member_id, {}),
            refused=self.data.refused,
            hash_of=lambda address: self.hash_of(notice.institution_id, address),
            push_address=self.data.devices.get(work.member_id, ""),
            is_requested=kind.has_code,
        )

    def _keep_or_end(
        self, notice: Notice, recipient: Recipient, work: Work, decision: Decision, kept: list[Notice]
    ) -> None:
        """Keep a notice that a channel can still send; else print or end it, with a reason."""
        left = _untried(recipient.options, work)
        if left:
            kept.append(notice)
            return
        reason = recipient.reason or ALL_CHANNELS_FAILED
        may_print = PRINT in KINDS[notice.kind].channels and reason in (ALL_CHANNELS_FAILED, *UNREACHABLE)
        if may_print:
            decision.end(notice, "print", reason)
        else:
            is_tried = bool(work.tried_channels) and reason in UNREACHABLE
            decision.end(notice, "failed" if is_tried or reason == ALL_CHANNELS_FAILED else "dropped", reason)

    def _put_off_until(self, work: Work, kept: Sequence[Notice], now: datetime, zone: str) -> datetime | None:
        """Return the next moment in the window on a day without a digest; None if this is now."""
        if not work.is_digest and kept[0].kind not in WAITING_KINDS:
            return None
        window = self.data.places.window_of(kept[0].institution_id)
        moment = window.next_moment(now, zone)
        if work.is_digest:
            own = work.message.id if work.message is not None else None
            while self.data.sent_days.get((work.member_id, local_day(moment, zone)), own) != own:
                moment = window.next_day(moment, zone)
        return moment if moment > now else None

    def _next_option(
        self, options: Sequence[Option], work: Work, kept: Sequence[Notice], now: datetime
    ) -> Option | None:
        """Return the channel to try now; None while the remaining channels are closed."""
        left = _untried(options, work)
        current = work.message.channel if work.message is not None else ""
        left = sorted(left, key=lambda option: option.channel.name != current)
        oldest = min(notice.made_at for notice in kept)
        for number, option in enumerate(left):
            is_closed = self.closed_until.get(option.channel.name, now) > now
            if not is_closed:
                return option
            # A receipt or code does not wait for web push: the next channel sends it.
            is_replaced = (
                option.channel.address_kind == "push" and not work.is_digest and option.channel.name in self.away
            )
            is_last = number == len(left) - 1
            if is_last or (now - oldest < LONGEST_CLOSED and not is_replaced):
                return None
        return None

    def _zone(self, work: Work) -> str:
        """Return the zone of the notices' branches if all have the same zone, else the institution's zone."""
        first = work.notices[0]
        zones = {self.data.places.zone_of(notice.institution_id, notice.branch_id) for notice in work.notices}
        return zones.pop() if len(zones) == 1 else self.data.places.zone_of(first.institution_id, None)


def _untried(options: Sequence[Option], work: Work) -> list[Option]:
    """Return the channels that this message has not given up. The channel in its row is not given up."""
    current = work.message.channel if work.message is not None else ""
    given_up = work.tried_channels - {current}
    return [option for option in options if option.channel.name not in given_up]


def _fold(
    kept: Sequence[Notice], recipients: Mapping[str, Recipient]
) -> tuple[str, tuple[Notice, ...], tuple[Option, ...]]:
    """Return the kind of the message, its notices, and the channels that can send all of them."""
    first = kept[0]
    options = recipients[first.kind].options
    folded = [first]
    for notice in kept[1:]:
        names = {option.channel.name for option in recipients[notice.kind].options}
        shared = tuple(option for option in options if option.channel.name in names)
        # A notice that needs another channel than the others is sent on another day.
        if shared:
            options = shared
            folded.append(notice)
    kind = first.kind if len(folded) == 1 else KINDS[first.kind].family
    return kind, tuple(folded), options


def next_try(outcome: Outcome, *, tries: int, since: datetime, is_quick: bool, now: datetime) -> datetime | None:
    """Return when a message is tried again over its channel after a temporary outcome; None for the next channel.

    tries     attempts over this channel
    since     time of the first attempt over this channel
    is_quick  the message is sent at once, and there is another channel
    """
    seconds = max(BACK_OFF_SECONDS[min(tries, len(BACK_OFF_SECONDS)) - 1], outcome.retry_after_seconds or 0)
    if outcome.is_mailbox_full and not is_quick:
        return min(now + timedelta(seconds=seconds), since + FULL_MAILBOX) if now < since + FULL_MAILBOX else None
    is_last = tries >= (TRIES_AT_ONCE if is_quick else len(BACK_OFF_SECONDS))
    return None if is_last else now + timedelta(seconds=seconds)


def reason_gone(notice: Notice, mark: Any, *, today: date, now: datetime) -> str:
    """Return why a notice is obsolete: UPPER_SNAKE, or "" if it is not.

    mark   state of its loan, see SendingData.marks; None without one
    today  in the zone of the notices
    """
    if notice.kind in (*OF_DUE_DATE, LOAN_RECEIPT, RENEWAL_RECEIPT) and mark is not None:
        if mark.returned_at is not None:
            return "LOAN_RETURNED"
        if mark.due_on != notice.day:
            return "LOAN_RENEWED"
    if notice.kind in (DUE_SOON, DUE_DATE_MOVED) and notice.day is not None and today > notice.day:
        return "DAY_PASSED"
    facts = notice.facts
    for name in ("suspended_until", "expires_on"):
        # A welcome has the end of the membership too, but is never obsolete.
        if facts.get(name) and notice.kind != "membership_registered" and today.isoformat() > facts[name]:
            return "DAY_PASSED"
    if facts.get("expires_at") and moment_of(facts["expires_at"]) <= now:
        return "CODE_EXPIRED"
    return ""
