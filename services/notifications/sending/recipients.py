"""Finds the recipient and the channels of a notice, from preferences, consents, guardians and refused addresses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from rangkiang.members.v1.contacts_pb2 import MemberContact
from services.notifications.channels.port import Channel
from services.notifications.preferences import allows
from services.notifications.templates.kinds import Kind, template_channel

MARKETING_PURPOSE = "news"
LANGUAGES = ("id", "en")
PRINT = "print"

# Reasons for a notice without a channel.
NOT_WANTED, NO_CONSENT, NO_ADDRESS = "NOT_WANTED", "NO_CONSENT", "NO_ADDRESS"
# The recipient has an address, but CHANNELS has no channel that sends this kind of notice there.
NO_CHANNEL = "NO_CHANNEL"
# A notice that may be printed becomes a letter for these reasons.
UNREACHABLE = (NO_ADDRESS, NO_CHANNEL)


@dataclass(frozen=True, slots=True)
class Option:
    """A channel that can reach the recipient.

    templates     channel name in templates and preferences
    address_hash  keyed hash of the address
    """

    channel: Channel
    templates: str
    address: str
    address_hash: bytes


@dataclass(frozen=True, slots=True)
class Recipient:
    """The recipient of a notice: the member, or the guardian of a child.

    options  channels in order; empty when no channel reaches the recipient
    reason   why there are no channels
    """

    name: str
    language: str
    options: tuple[Option, ...]
    reason: str = ""


def find_recipient(
    contact: MemberContact,
    kind: Kind,
    *,
    channels: Sequence[Channel],
    answers: Mapping[tuple[str, str], bool],
    refused: Collection[bytes],
    hash_of: Callable[[str], bytes],
    push_address: str = "",
    is_requested: bool = False,
) -> Recipient:
    """Find the recipient of a notice, and the channels in order of fallback: that of the setting CHANNELS.

    channels      in order; those that the kind does not use are left out
    answers       preferences of the member: (kind, channel) -> allowed
    refused       hashes of addresses that a provider refused permanently
    push_address  subscriptions of the member's own browsers; "" without one
    is_requested  somebody has just requested the notice (a code), so preferences do not stop it
    """
    guardian = contact.guardian if contact.is_child and contact.HasField("guardian") else None
    source = guardian or contact
    name = source.name or contact.name
    language = next((code for code in (source.language, contact.language) if code in LANGUAGES), "id")
    if kind.basis == "marketing" and not _has_consent(contact):
        return Recipient(name, language, (), NO_CONSENT)
    emails, phones = (source.email, source.phone)
    if contact.is_child and guardian is None:
        # The guardian is unknown: the notice is printed as a letter, which the child takes home.
        emails = phones = ""
    if contact.is_child:
        # The devices belong to the child, but the notices go to the guardian.
        push_address = ""
    addresses = {"email": emails, "phone": phones, "push": push_address, "none": contact.id}
    sent_over = [name for name in kind.channels if name != PRINT]
    usable = [channel for channel in channels if template_channel(channel.name, channel.address_kind) in sent_over]
    reachable: list[Option] = []
    for channel in usable:
        address = addresses[channel.address_kind]
        if not address:
            continue
        address_hash = hash_of(address)
        # Earlier releases stored refused devices too, but a browser that was added again may be reachable.
        if channel.address_kind == "push" or address_hash not in refused:
            templates = template_channel(channel.name, channel.address_kind)
            reachable.append(Option(channel, templates, address, address_hash))
    options = tuple(option for option in reachable if is_requested or allows(answers, kind.name, option.templates))
    if options:
        return Recipient(name, language, options)
    if reachable or not allows(answers, kind.name, PRINT):
        return Recipient(name, language, (), NOT_WANTED)
    served = {channel.address_kind for channel in usable}
    is_unserved = any(addresses[address_kind] and address_kind not in served for address_kind in ("email", "phone"))
    return Recipient(name, language, (), NO_CHANNEL if is_unserved else NO_ADDRESS)


def _has_consent(contact: MemberContact) -> bool:
    return any(answer.purpose == MARKETING_PURPOSE and answer.given for answer in contact.consents)
