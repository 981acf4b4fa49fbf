"""The tables of notifications."""

from __future__ import annotations

from services.notifications.tables.base import Table
from services.notifications.tables.choices import ChannelDay, ChannelState, Preference, PushDevice, RefusedAddress
from services.notifications.tables.conversations import Conversation, ConversationMessage, InboundMessage
from services.notifications.tables.copies import Branch, Institution, LoanMark, Member, SendingRules, StoredMasterKey
from services.notifications.tables.notices import Attempt, Message, Notice
from services.notifications.tables.templates import StaffAddress, TemplateVersion
from services.notifications.tables.webhooks import Webhook, WebhookEvent

__all__ = [
    "Attempt",
    "Branch",
    "ChannelDay",
    "ChannelState",
    "Conversation",
    "ConversationMessage",
    "InboundMessage",
    "Institution",
    "LoanMark",
    "Member",
    "Message",
    "Notice",
    "Preference",
    "PushDevice",
    "RefusedAddress",
    "SendingRules",
    "StaffAddress",
    "StoredMasterKey",
    "Table",
    "TemplateVersion",
    "Webhook",
    "WebhookEvent",
]
