"""Checks of `rangkiang doctor` for notifications, and metrics: notices, channels, webhooks, conversations."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.errors import Invalid, Unavailable
from chassis.metrics import Sample
from chassis.operations.health import NOTHING_TO_DO, Finding
from chassis.security.encryption import refuse_other_key, require_master_key
from chassis.sentences import sentence
from chassis.service import Resources
from services.notifications.channels.limits import FAILURES
from services.notifications.channels.opening import open_own_channels
from services.notifications.channels.port import NO_SIGN_IN, Channel, Outcome
from services.notifications.keys import stored_fingerprint
from services.notifications.members import TEXT_KEY_DAMAGED
from services.notifications.sending.decisions import CONTACT_UNREADABLE
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Attempt, ChannelState, Conversation, Institution, Message, Notice, Webhook
from services.notifications.webhooks.delivery import MAKER_WITHOUT_SCOPES
from services.notifications.webhooks.subscriptions import STOPPED

DOCTOR = system("doctor")
# Older failures do not describe the current state.
LOOKED_AT = timedelta(hours=24)
WAITED = timedelta(hours=24)
# The sender needs seconds. When a channel does not answer, its messages are open and its notices are not "waiting".
LATE = timedelta(hours=1)
LETTERS_WAIT = timedelta(days=3)
SIGN_IN_SECONDS = 8.0  # less than chassis.operations.health.TIMEOUT_SECONDS
DAMAGE_SHOWN = timedelta(days=7)
OPEN_STATES = ("waiting", "sending", "print", "unknown")
_FAILED = ("temporary", "unknown")


def channels(resources: Resources) -> list[Finding]:
    """Check that CHANNELS is valid, and that no channel fails repeatedly; nothing is sent."""
    own = resources.settings.of(NotificationsSettings)
    part = "notices channels"
    try:
        opened = open_own_channels(own)
    except Invalid as problem:
        return [Finding(part, False, problem.sentence, sentence("CHECK_CHANNELS_ADVICE"))]
    names = [channel.name for channel in opened]
    findings: list[Finding] = []
    with resources.database.reading(DOCTOR) as session:
        codes = set(session.scalars(select(Institution.code)))
        for channel in opened:
            if channel.institution and channel.institution not in codes:
                message = sentence("CHECK_CHANNEL_INSTITUTION", channel=channel.name, code=channel.institution)
                findings.append(Finding(part, False, message, sentence("CHECK_CHANNELS_ADVICE")))
        for name in names:
            last = (
                select(Attempt.state, Attempt.reason)
                .where(Attempt.channel == name, Attempt.ended_at > clock.now() - LOOKED_AT)
                .order_by(Attempt.ended_at.desc())
                .limit(FAILURES)
            )
            rows = session.execute(last).all()
            if len(rows) == FAILURES and all(row.state in _FAILED for row in rows):
                message = sentence("CHECK_CHANNEL_FAILING", channel=name, reason=rows[0].reason)
                findings.append(Finding(part, False, message, sentence("CHECK_CHANNEL_FAILING_ADVICE", channel=name)))
    return findings or [Finding(part, True, sentence("CHECK_CHANNELS", names=", ".join(names)))]


def sign_ins(resources: Resources) -> list[Finding]:
    """Try the sign-in of each channel, all at the same time; nothing is sent."""
    own = resources.settings.of(NotificationsSettings)
    try:
        opened = open_own_channels(own)
    except Invalid:
        return []  # `channels` reports it
    outcomes: dict[str, Outcome | None] = {channel.name: Outcome("temporary", reason="NO_ANSWER") for channel in opened}

    def try_sign_in(channel: Channel) -> None:
        outcomes[channel.name] = channel.sign_in()

    # Daemons, so that a command ends before a server that does not answer.
    threads = [threading.Thread(target=try_sign_in, args=[channel], daemon=True) for channel in opened]
    for thread in threads:
        thread.start()
    end = time.monotonic() + SIGN_IN_SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    findings: list[Finding] = []
    for name, outcome in list(outcomes.items()):
        part = f"notices channel {name}"
        if outcome is None:
            findings.append(Finding(part, True, sentence("CHECK_CHANNEL_UNTRIED", channel=name)))
        elif outcome.state != "accepted":
            message = sentence("CHECK_CHANNEL_REFUSES", channel=name, reason=outcome.reason)
            findings.append(Finding(part, False, message, sentence("CHECK_CHANNEL_REFUSES_ADVICE", channel=name)))
        elif outcome != NO_SIGN_IN:
            findings.append(Finding(part, True, sentence("CHECK_CHANNEL_SIGNED_IN", channel=name)))
    return findings


def master_key(resources: Resources) -> list[Finding]:
    """Check that the master key exists and belongs to this database; without the key notices wait.

    raises  Invalid  MASTER_KEY_UNREADABLE, MASTER_KEY_EXPOSED
    """
    with resources.database.reading(DOCTOR) as session:
        fingerprint = stored_fingerprint(session)
    if fingerprint is None:
        return []
    path, part = resources.settings.of(NotificationsSettings).master_key, "notices master key"
    try:
        refuse_other_key(require_master_key(path), fingerprint, path)
    except Unavailable as problem:
        return [Finding(part, False, problem.sentence, NOTHING_TO_DO)]
    return [Finding(part, True, sentence("CHECK_NOTICES_KEY"), NOTHING_TO_DO)]


def notices(resources: Resources) -> list[Finding]:
    """Check that due notices are sent, that no outcome is unknown, and that letters are handed over."""
    now = clock.now()
    with resources.database.reading(DOCTOR) as session:
        late = _late(session)
        unknown = _count(session, Notice.state == "unknown")
        letters = _count(session, Notice.state == "print", Notice.changed_at < now - LETTERS_WAIT)
        is_damaged = Notice.reason.in_((CONTACT_UNREADABLE, TEXT_KEY_DAMAGED))
        damaged = _count(session, Notice.state == "failed", is_damaged, Notice.changed_at > now - DAMAGE_SHOWN)
    part, findings = "notices", list[Finding]()
    if late:
        message = sentence("CHECK_NOTICES_LATE", count=late)
        findings.append(Finding(part, False, message, sentence("CHECK_NOTICES_LATE_ADVICE")))
    if damaged:
        message = sentence("CHECK_NOTICES_DAMAGED", count=damaged)
        findings.append(Finding(part, False, message, sentence("CHECK_NOTICES_DAMAGED_ADVICE")))
    if unknown:
        message = sentence("CHECK_NOTICES_UNKNOWN", count=unknown)
        findings.append(Finding(part, True, message, sentence("CHECK_NOTICES_UNKNOWN_ADVICE")))
    if letters:
        message = sentence("CHECK_NOTICES_LETTERS", count=letters)
        findings.append(Finding(part, True, message, sentence("CHECK_NOTICES_LETTERS_ADVICE")))
    return findings or [Finding(part, True, sentence("CHECK_NOTICES"))]


def samples(resources: Resources) -> Iterator[Sample]:
    """Yield the number of open notices in each state, the delay of the sender, and failures of channels.

    raises  Unavailable
    """
    counted = select(Notice.state, func.count()).where(Notice.state.in_(OPEN_STATES)).group_by(Notice.state)
    now = clock.now()
    with resources.database.reading(DOCTOR) as session:
        counts = {row[0]: row[1] for row in session.execute(counted)}
        oldest = session.scalar(select(func.min(Notice.due_at)).where(Notice.state == "waiting"))
        failures = session.execute(select(ChannelState.name, ChannelState.failures)).all()
    for state in OPEN_STATES:
        yield Sample("rangkiang_notices_open", "Notices that have not ended", counts.get(state, 0), {"state": state})
    seconds = max(0.0, (now - oldest).total_seconds()) if oldest is not None else 0.0
    yield Sample("rangkiang_notices_late_seconds", "Time for which the oldest notice has been due", seconds)
    for name, count in failures:
        yield Sample("rangkiang_channel_failures", "Consecutive failures of a channel", count, {"channel": name})


def _late(session: Session) -> int:
    """Count notices that have been due for an hour and do not wait for another message to their member."""
    waits = select(Message.id).where(Message.member_id == Notice.member_id, Message.state == "open").exists()
    return _count(session, Notice.state == "waiting", Notice.due_at < clock.now() - LATE, ~waits)


def _count(session: Session, *conditions: Any) -> int:
    return session.scalar(select(func.count()).select_from(Notice).where(*conditions)) or 0


def partners(resources: Resources) -> list[Finding]:
    """Check that no webhook is disabled after failures, and that no conversation has waited for more than a day."""
    with resources.database.reading(DOCTOR) as session:
        is_failing = (Webhook.state == "disabled", Webhook.reason.not_in((STOPPED, MAKER_WITHOUT_SCOPES)))
        disabled = session.scalars(select(Webhook.id).where(*is_failing)).all()
        ended = session.scalars(select(Webhook.id).where(Webhook.reason == MAKER_WITHOUT_SCOPES)).all()
        waiting = session.scalar(
            select(func.count())
            .select_from(Conversation)
            .where(Conversation.state == "open", Conversation.last_at < clock.now() - WAITED)
        )
    findings: list[Finding] = []
    if disabled:
        message = sentence("CHECK_WEBHOOKS_DISABLED", count=len(disabled), ids=", ".join(map(str, disabled[:10])))
        findings.append(Finding("webhooks", True, message, sentence("CHECK_WEBHOOKS_DISABLED_ADVICE")))
    if ended:
        message = sentence("CHECK_WEBHOOKS_ENDED", count=len(ended), ids=", ".join(map(str, ended[:10])))
        findings.append(Finding("webhooks", True, message, sentence("CHECK_WEBHOOKS_ENDED_ADVICE")))
    if waiting:
        message = sentence("CHECK_CONVERSATIONS_WAIT", count=waiting)
        findings.append(Finding("conversations", True, message, sentence("CHECK_CONVERSATIONS_WAIT_ADVICE")))
    return findings
