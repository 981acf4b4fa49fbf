"""What doctor checks in notifications: channels, partners' webhooks, and people who wait for an answer."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from chassis import clock
from chassis.addresses import networks
from chassis.context import system
from chassis.errors import Invalid
from chassis.health import Finding
from chassis.sentences import sentence
from chassis.service import Resources
from services.notifications.channels.limits import FAILURES
from services.notifications.channels.opening import open_channels
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Attempt, Conversation, Webhook

DOCTOR = system("doctor")
# Older failures say nothing about today.
LOOKED_AT = timedelta(hours=24)
WAITED = timedelta(hours=24)
_FAILED = ("temporary", "unknown")


def channels(resources: Resources) -> list[Finding]:
    """Check that CHANNELS can be opened, and that no channel fails again and again; nothing is sent."""
    own = resources.settings.of(NotificationsSettings)
    part = "notices channels"
    try:
        opened = open_channels(own.channels, allowed_networks=networks(own.outgoing_private_networks))
    except Invalid as problem:
        return [Finding(part, False, problem.sentence, sentence("CHECK_CHANNELS_ADVICE"))]
    names = [channel.name for channel in opened]
    findings: list[Finding] = []
    with resources.database.reading(DOCTOR) as session:
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


def partners(resources: Resources) -> list[Finding]:
    """Check that no webhook of a partner is disabled, and that nobody who wrote waits for longer than a day."""
    with resources.database.reading(DOCTOR) as session:
        disabled = session.scalars(select(Webhook.id).where(Webhook.state == "disabled")).all()
        waiting = session.scalar(
            select(func.count())
            .select_from(Conversation)
            .where(Conversation.state == "open", Conversation.last_at < clock.now() - WAITED)
        )
    findings: list[Finding] = []
    if disabled:
        message = sentence("CHECK_WEBHOOKS_DISABLED", count=len(disabled), ids=", ".join(map(str, disabled[:10])))
        findings.append(Finding("webhooks", True, message, sentence("CHECK_WEBHOOKS_DISABLED_ADVICE")))
    if waiting:
        message = sentence("CHECK_CONVERSATIONS_WAIT", count=waiting)
        findings.append(Finding("conversations", True, message, sentence("CHECK_CONVERSATIONS_WAIT_ADVICE")))
    return findings
