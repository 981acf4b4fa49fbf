"""Renders the text of a message: collects the facts for its template and renders them for a channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from rangkiang.members.v1.contacts_pb2 import MemberContact
from services.notifications.channels.port import Message as OutgoingMessage
from services.notifications.channels.port import ProviderTemplate
from services.notifications.conversations.store import open_windows
from services.notifications.institutions import BranchDirectory, local_day
from services.notifications.notices import DUE_DATE_MOVED, OVERDUE, REMINDERS, RENEWAL_RECEIPT, moment_of
from services.notifications.sending.owners import LinkRequest, PasswordCode, PlaceQuestion
from services.notifications.sending.recipients import Option, Recipient
from services.notifications.tables import Notice
from services.notifications.templates.kinds import KINDS
from services.notifications.templates.rendering import Rendered

RENEW, OPT_OUT = "renew", "opt_out"
LINKS_LIVE = timedelta(days=14)
OPT_OUT_LIVES = timedelta(days=60)
LINK_PATH, ACCOUNT_PATH, PASSWORD_CODE_PATH = "/l/", "/account", "/sign-in/slip"

Renderer = Callable[..., Rendered]


@dataclass(frozen=True, slots=True)
class Draft:
    """A message before it is rendered.

    message_id  id of the row, and of the message at the provider
    kind        kind of its only notice, or of the digest
    options     channels that can send it, in order
    option      the channel that is tried now
    zone, today zone of the notices, and the current day in this zone
    code        password code; None for other kinds
    """

    message_id: UUID
    institution_id: UUID
    member_id: UUID
    kind: str
    notices: tuple[Notice, ...]
    contact: MemberContact
    recipient: Recipient
    options: tuple[Option, ...]
    option: Option
    zone: str
    today: date
    is_new: bool
    code: PasswordCode | None = None

    @property
    def is_digest(self) -> bool:
        return not KINDS[self.kind].goes_at_once


def place_question(draft: Draft) -> PlaceQuestion:
    """Return the query for the place in a message."""
    return PlaceQuestion(draft.institution_id, draft.notices[0].branch_id, draft.recipient.language)


def link_requests(draft: Draft, now: datetime) -> list[LinkRequest]:
    """Return the links in a message: one to renew each loan, and one to end notices of its kind."""
    requests = [
        LinkRequest(draft.member_id, RENEW, _loan_subject(notice), now + LINKS_LIVE)
        for notice in draft.notices
        if notice.kind in REMINDERS and notice.loan_id is not None and notice.day is not None
    ]
    if not KINDS[draft.kind].has_code:
        requests.append(LinkRequest(draft.member_id, OPT_OUT, draft.kind, now + OPT_OUT_LIVES))
    return requests


def render_message(
    session: Session,
    draft: Draft,
    *,
    render: Renderer,
    places: BranchDirectory,
    place: Mapping[str, str],
    public_url: str,
    links: Mapping[tuple[str, str], str],
) -> OutgoingMessage:
    """Render a message for a channel.

    place   address, telephone and hours: the answer to `place_question`
    links   (act, subject) -> token of a link
    raises  Invalid  the template cannot be rendered with these facts
    """
    language, option = draft.recipient.language, draft.option
    stop = links.get((OPT_OUT, draft.kind), "")
    unsubscribe_url = f"{public_url}{LINK_PATH}{stop}" if stop and public_url else ""
    facts = _facts(draft, places=places, place=place, public_url=public_url, links=links)
    rendered = render(
        session,
        institution_id=draft.institution_id,
        kind=draft.kind,
        channel=option.templates,
        language=language,
        facts=facts,
        unsubscribe_url=unsubscribe_url,
    )
    provider = rendered.provider
    # WhatsApp accepts free text to people who wrote in the last 24 hours, and only templates to others.
    has_window = option.templates == "whatsapp" and bool(
        open_windows(session, option.channel.name, [option.address_hash])
    )
    return OutgoingMessage(
        id=str(draft.message_id),
        kind=draft.kind,
        address=option.address,
        language=language,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        template=ProviderTemplate(provider.name, provider.language, provider.parameters) if provider else None,
        unsubscribe_url=unsubscribe_url or None,
        is_in_window=has_window,
        codes=(draft.code.code,) if draft.code is not None else (),
    )


def letter_facts(
    institution_id: UUID,
    kind: str,
    notices: Sequence[Notice],
    contact: MemberContact,
    recipient: Recipient,
    *,
    zone: str,
    today: date,
    places: BranchDirectory,
    place: Mapping[str, str],
) -> dict[str, Any]:
    """Return the facts of a letter, which has no links."""
    facts = _place_facts(institution_id, notices[0], contact, recipient, places=places, place=place)
    return facts | _notice_facts(kind, notices, zone=zone, today=today, public_url="", links={})


def _facts(
    draft: Draft,
    *,
    places: BranchDirectory,
    place: Mapping[str, str],
    public_url: str,
    links: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    facts = _place_facts(
        draft.institution_id, draft.notices[0], draft.contact, draft.recipient, places=places, place=place
    )
    facts |= _notice_facts(
        draft.kind, draft.notices, zone=draft.zone, today=draft.today, public_url=public_url, links=links
    )
    if public_url:
        facts["account_link"] = f"{public_url}{ACCOUNT_PATH}"
    if draft.code is not None:
        facts |= {"code": draft.code.code, "card_number": draft.code.number}
        facts["code_link"] = f"{public_url}{PASSWORD_CODE_PATH}" if public_url else ""
    return facts


def _place_facts(
    institution_id: UUID,
    notice: Notice,
    contact: MemberContact,
    recipient: Recipient,
    *,
    places: BranchDirectory,
    place: Mapping[str, str],
) -> dict[str, Any]:
    language = recipient.language
    institution = places.institutions.get(institution_id)
    branch = places.branches.get(notice.branch_id) if notice.branch_id is not None else None
    return {
        "member_name": contact.name,
        "recipient_name": recipient.name,
        # A guardian gets notices about the child's loans, so the text names the child.
        "is_for_child": contact.is_child and recipient.name != contact.name,
        "institution_name": _name(institution, language),
        "branch_name": _name(branch or institution, language),
        "card_number": contact.number,
        **place,
    }


def _notice_facts(
    kind: str,
    notices: Sequence[Notice],
    *,
    zone: str,
    today: date,
    public_url: str,
    links: Mapping[tuple[str, str], str],
) -> dict[str, Any]:
    first = notices[0]
    if KINDS[kind].is_family and KINDS[kind].goes_at_once:
        return _visit_facts(notices)
    if KINDS[kind].is_family:
        entries = [_loan_facts(notice, today, public_url, links) for notice in notices]
        return {"items": entries, "count": len(entries)}
    facts = {name: value for name, value in first.facts.items() if name in ("suspended_until", "expires_on", "days")}
    if first.facts.get("expires_on"):
        facts["days"] = max(0, (date.fromisoformat(first.facts["expires_on"]) - today).days)
    if first.facts.get("expires_at"):
        facts["valid_until"] = moment_of(first.facts["expires_at"]).astimezone(ZoneInfo(zone)).isoformat()
    if first.day is not None and first.loan_id is not None:
        facts |= _loan_facts(first, today, public_url, links)
    facts["title"] = first.title
    if first.facts.get("returned_at"):
        facts["returned_on"] = local_day(moment_of(first.facts["returned_at"]), zone).isoformat()
    return facts


def _visit_facts(notices: Sequence[Notice]) -> dict[str, Any]:
    days = [notice.day for notice in notices if notice.day is not None]
    receipts = [
        {
            "title": notice.title,
            "due_on": notice.day.isoformat() if notice.day is not None else "",
            "is_returned": notice.day is None,
            "is_renewed": notice.kind == RENEWAL_RECEIPT,
        }
        for notice in notices
    ]
    return {"receipts": receipts, "count": len(receipts), "due_on": min(days).isoformat() if days else ""}


def _loan_facts(notice: Notice, today: date, public_url: str, links: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    due_on = notice.day or today
    link = links.get((RENEW, _loan_subject(notice)), "")
    return {
        "title": notice.title,
        "due_on": due_on.isoformat(),
        "days": abs((today - due_on).days),
        "is_overdue": notice.kind == OVERDUE,
        "is_moved": notice.kind == DUE_DATE_MOVED,
        "renew_link": f"{public_url}{LINK_PATH}{link}" if link and public_url else "",
    }


def _loan_subject(notice: Notice) -> str:
    return f"{notice.loan_id}:{notice.day}"


def _name(place: Any, language: str) -> str:
    if place is None:
        return ""
    return str((place.name_en or place.name_id) if language == "en" else (place.name_id or place.name_en))


def in_order(notices: Sequence[Notice]) -> tuple[Notice, ...]:
    """Sort notices by the day that they are about, then by creation."""
    return tuple(sorted(notices, key=lambda notice: (notice.day or date.max, notice.id)))
