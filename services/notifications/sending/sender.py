"""The sender: rounds of decisions, rendering and hand-over, in one process at a time."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_for
from chassis.errors import Error, Invalid
from chassis.metrics import telemetry
from chassis.security.encryption import MasterKey
from services.notifications.channels.limits import NOT_HANDED_OVER, LimitedChannel
from services.notifications.channels.port import Channel, Outcome
from services.notifications.channels.port import Message as OutgoingMessage
from services.notifications.institutions import BranchDirectory
from services.notifications.members import hash_address
from services.notifications.push_devices import push_addresses
from services.notifications.sending.attempts import (
    NO_ANSWER,
    StartedAttempt,
    begin_attempts,
    end_draft,
    postpone,
    record_outcomes,
    recover,
    unanswered,
)
from services.notifications.sending.decisions import Decision, Judge
from services.notifications.sending.owners import MOST_ASKED, LinkRequest, Owners, PlaceQuestion
from services.notifications.sending.queue import (
    Candidate,
    SendingData,
    find_work,
    next_moment,
    read_sending_data,
    read_work,
)
from services.notifications.sending.texts import Draft, Renderer, link_requests, place_question, render_message
from services.notifications.tables import Attempt, ChannelState, Message, Notice
from services.notifications.templates.kinds import KINDS

log = logging.getLogger(__name__)

SENDING = system("sender")
LONGEST_PAUSE_SECONDS = 5.0
PENDING_PAUSE_SECONDS = 1.0  # between two looks for the outcomes of messages that were handed over
# Attempts that are committed together. A crash may leave as many without an outcome.
TOGETHER, TOGETHER_UNKNOWN = 25, 5
NOT_RENDERED = "NOT_RENDERED"
# Members whose contacts are requested, and whose data are read and written, together: 2 to 4 ms of computing each.
MEMBERS_TOGETHER = 25
FAILURES_SHOWN = 100
# (circuit, failures, reason) as written last.
Health = tuple[str, int, str]


class Sender:
    """Sends waiting notices.

    read_master  reads the master key; while it raises Unavailable, notices wait
    public_url   URL for links; "" for messages without links
    render       see templates.store.render
    visit        how long receipts wait for others of the same visit
    """

    def __init__(
        self,
        database: Database,
        owners: Owners,
        channels: Sequence[Channel],
        *,
        read_master: Callable[[], MasterKey],
        render: Renderer,
        public_url: str = "",
        visit: timedelta = timedelta(0),
    ) -> None:
        self._visit = visit
        self._database, self._owners, self._channels = database, owners, channels
        self._read_master, self._render, self._public_url = read_master, render, public_url.rstrip("/")
        self._closed_until: dict[str, datetime] = {}
        self._away: set[str] = set()
        self._seen: dict[str, Health] = {}
        self._unrecorded: dict[UUID, Outcome] = {}
        self._pending: dict[UUID, StartedAttempt] = {}  # by attempt

    def recover(self) -> int:
        """End attempts of a sender that died, or whose outcomes could not be committed.

        If this process does not know an outcome, it queries the provider. Without an answer the outcome is unknown.
        """
        with self._database.reading(SENDING) as session:
            attempts = [attempt for attempt in unanswered(session) if attempt.id not in self._pending]
        if not attempts and not self._pending:
            return 0
        by_name = {channel.name: channel for channel in self._channels}
        answers: list[tuple[Attempt, Outcome | None]] = []
        for attempt in attempts:
            answer = self._unrecorded.get(attempt.id)
            if answer is None and (channel := by_name.get(attempt.channel)) is not None:
                answer = channel.ask(str(attempt.message_id))
            answers.append((attempt, answer))
        with self._database.transaction(SENDING) as session:
            count = recover(session, self._channels, answers, BranchDirectory(session))
            postpone(session, self._pending.values())
        self._unrecorded.clear()
        answered = sum(answer is not None for _, answer in answers)
        if count:
            log.warning("attempts_without_answer", extra={"count": count, "answered_now": answered})
        return count

    def run_round(self) -> float:
        """Do the next work. Returns the seconds until there may be more work; 0 for at once.

        raises  Unavailable, TooLate  members does not answer; nothing was changed
        """
        self._end_pending()
        seconds = self._next_work(clock.now())
        return min(seconds, PENDING_PAUSE_SECONDS) if self._pending else seconds

    def _end_pending(self) -> None:
        """Record the outcomes that providers have given since the hand-over."""
        for attempt_id, attempt in list(self._pending.items()):
            channel = attempt.draft.option.channel
            outcome = channel.ask(attempt.outgoing.id) or Outcome("unknown", reason=NO_ANSWER)
            if not outcome.is_pending:
                del self._pending[attempt_id]
                self._record(channel, [(attempt, outcome)])

    def _next_work(self, now: datetime) -> float:
        self._closed_until = {name: until for name, until in self._closed_until.items() if until > now}
        self._away &= self._closed_until.keys()
        with self._database.reading(SENDING) as session:
            candidates = find_work(session, now, visit=self._visit)
            moment = None if candidates else next_moment(session, now)
            places = BranchDirectory(session) if candidates else None
        if places is None:
            return LONGEST_PAUSE_SECONDS if moment is None else max(0.1, (moment - now).total_seconds())
        master = self._read_master()
        for start in range(0, len(candidates), MEMBERS_TOGETHER):
            self._handle(candidates[start : start + MEMBERS_TOGETHER], places, master, now)
        return 0.0

    def _handle(
        self, candidates: Sequence[Candidate], places: BranchDirectory, master: MasterKey, now: datetime
    ) -> None:
        """Decide about the work of at most MEMBERS_TOGETHER members, and hand over their messages."""
        contacts = self._owners.contacts(list({candidate.member_id for candidate in candidates}))
        with self._database.reading(SENDING) as session:
            work = read_work(session, candidates, visit=self._visit)
            data = read_sending_data(session, work, now, places=places)
            if any(channel.address_kind == "push" for channel in self._channels):
                institutions = {item.member_id: item.notices[0].institution_id for item in work if item.notices}
                data.devices = push_addresses(session, master, institutions)
        judge = Judge(data, self._channels, partial(hash_address, master), self._closed_until, self._away)
        decisions = [judge.decide(item, contacts.get(item.member_id), now) for item in work]
        drafts = [decision.draft for decision in decisions if decision.draft is not None]
        # Drafts are written with their attempts.
        if any(decision.draft is None or decision.ended for decision in decisions):
            with self._database.transaction(SENDING) as session:
                _write_endings(session, decisions)
                for decision in decisions:
                    _write_decision(session, decision)
        self._hand_over(drafts, data, master, now)

    def _hand_over(self, drafts: Sequence[Draft], data: SendingData, master: MasterKey, now: datetime) -> None:
        """Render messages and hand them over, by channel."""
        ready = self._with_codes(drafts)
        links = self._ask_links(ready, now)
        places = {question: self._owners.place(question) for question in {place_question(draft) for draft in ready}}
        for channel, of_channel in _by_channel(ready).items():
            if self._closed_until.get(channel.name, now) <= now:
                self._hand_over_to(channel, self._render_drafts(of_channel, data, places, links), master, now)

    def _hand_over_to(
        self, channel: Channel, pairs: Sequence[tuple[Draft, OutgoingMessage]], master: MasterKey, now: datetime
    ) -> None:
        """Write attempts, hand their messages over and write the outcomes, some at a time.

        Outcomes and the next attempts are written together, because a transaction costs as much as a message.
        """
        size = TOGETHER if channel.deduplicates else TOGETHER_UNKNOWN
        results: list[tuple[StartedAttempt, Outcome]] = []
        for start in range(0, len(pairs), size):
            if self._closed_until.get(channel.name, now) > now:
                break
            begin = partial(begin_attempts, pairs=pairs[start : start + size], master=master)
            try:
                started = self._record(channel, results, begin)
            except Exception:
                # Whatever failed, these messages have been handed over.
                self._record(channel, results)
                raise
            results = [(attempt, self._send(attempt)) for attempt in started]
        self._record(channel, results)

    def _record(
        self,
        channel: Channel,
        results: Sequence[tuple[StartedAttempt, Outcome]],
        begin: Callable[[Session], list[StartedAttempt]] | None = None,
    ) -> list[StartedAttempt]:
        """Write outcomes, and begin the next attempts. If outcomes are not committed, `recover` writes them."""
        self._pending |= {attempt.attempt_id: attempt for attempt, outcome in results if outcome.is_pending}
        self._unrecorded = {attempt.attempt_id: outcome for attempt, outcome in results}
        if not results and begin is None:
            return []
        health = self._changed_health(channel)
        with self._database.transaction(SENDING) as session:
            if results:
                record_outcomes(session, results)
            if health is not None:
                _write_health(session, channel, health)
            started = begin(session) if begin is not None else []
        if health is not None:
            self._seen[channel.name] = health
        self._unrecorded.clear()
        return started

    def _with_codes(self, drafts: Sequence[Draft]) -> list[Draft]:
        """Request password codes. Drafts for codes that are no longer valid are dropped."""
        ready: list[Draft] = []
        for draft in drafts:
            if not KINDS[draft.kind].has_code:
                ready.append(draft)
                continue
            code = self._owners.password_code(draft.member_id, draft.notices[0].facts.get("slip_id", ""))
            if code is not None:
                ready.append(replace(draft, code=code))
            else:
                self._end([draft], "dropped", "CODE_VOID")
        return ready

    def _ask_links(self, drafts: Sequence[Draft], now: datetime) -> dict[UUID, dict[tuple[str, str], str]]:
        """Return member -> (act, subject) -> token of a link; empty without PUBLIC_URL."""
        links: dict[UUID, dict[tuple[str, str], str]] = defaultdict(dict)
        if not self._public_url:
            return links
        requests: list[LinkRequest] = [request for draft in drafts for request in link_requests(draft, now)]
        for start in range(0, len(requests), MOST_ASKED):
            part = requests[start : start + MOST_ASKED]
            for request, token in zip(part, self._owners.links(part), strict=True):
                if token:
                    links[request.member_id][request.act, request.subject] = token
        return links

    def _render_drafts(
        self,
        drafts: Sequence[Draft],
        data: SendingData,
        places: Mapping[PlaceQuestion, Mapping[str, str]],
        links: Mapping[UUID, Mapping[tuple[str, str], str]],
    ) -> list[tuple[Draft, OutgoingMessage]]:
        """Render drafts. Drafts that cannot be rendered fail."""
        rendered: list[tuple[Draft, OutgoingMessage]] = []
        failed: list[Draft] = []
        with self._database.reading(SENDING) as session:
            for draft in drafts:
                try:
                    outgoing = render_message(
                        session,
                        draft,
                        render=self._render,
                        places=data.places,
                        place=places[place_question(draft)],
                        public_url=self._public_url,
                        links=links.get(draft.member_id, {}),
                    )
                except Invalid as problem:
                    log.warning("notice_not_rendered", extra={"kind": draft.kind, "reason": problem.reason})
                    failed.append(draft)
                else:
                    rendered.append((draft, outgoing))
        self._end(failed, "failed", NOT_RENDERED)
        return rendered

    def _end(self, drafts: Sequence[Draft], state: str, reason: str) -> None:
        if drafts:
            with self._database.transaction(SENDING) as session:
                for draft in drafts:
                    end_draft(session, draft, state, reason)

    def _send(self, attempt: StartedAttempt) -> Outcome:
        channel = attempt.draft.option.channel
        parent = {"traceparent": attempt.draft.notices[0].traceparent} if attempt.draft.notices[0].traceparent else None
        with telemetry.span(f"send {channel.name}", kind="producer", parent=parent, kind_of_notice=attempt.draft.kind):
            try:
                outcome = channel.send(attempt.outgoing)
            except (Error, OSError) as problem:
                # The message may have been handed over before the exception, so the outcome is unknown.
                log.warning("channel_failed", extra={"channel": channel.name, "why": type(problem).__name__})
                outcome = Outcome("unknown", reason="CHANNEL_FAILED", is_channel_down=True)
        if (
            outcome.state == "unknown"
            and not outcome.is_pending
            and (answer := channel.ask(attempt.outgoing.id)) is not None
        ):
            outcome = answer
        if outcome.state == "temporary" and outcome.reason in NOT_HANDED_OVER:
            seconds = outcome.retry_after_seconds or 1
            self._closed_until[channel.name] = clock.now() + timedelta(seconds=seconds)
            if outcome.reason == "CIRCUIT_OPEN":
                self._away.add(channel.name)
        return outcome

    def _changed_health(self, channel: Channel) -> Health | None:
        """Return the health of a channel when it differs from the one that was written last."""
        if not isinstance(channel, LimitedChannel):
            return None
        state = channel.state()
        health = (state.circuit, min(state.failures, FAILURES_SHOWN), state.reason)
        return None if self._seen.get(channel.name) == health else health


def _write_health(session: Session, channel: Channel, health: Health) -> None:
    """Write the health of a channel, because doctor and staff pages run in other processes."""
    values = {"circuit": health[0], "failures": health[1], "reason": health[2][:64], "at": clock.now()}
    insert = insert_for(session, ChannelState).values(name=channel.name, **values)
    session.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def _by_channel(drafts: Sequence[Draft]) -> dict[Channel, list[Draft]]:
    grouped: dict[Channel, list[Draft]] = {}
    for draft in drafts:
        grouped.setdefault(draft.option.channel, []).append(draft)
    return grouped


def _write_endings(session: Session, decisions: Iterable[Decision]) -> None:
    """Write the notices that end, grouped by state and reason, which are mostly the same in a round."""
    ended: dict[tuple[str, str], list[Notice]] = defaultdict(list)
    for decision in decisions:
        for key, notices in decision.ended.items():
            ended[key] += notices
    for (state, reason), notices in ended.items():
        settle_unchanged(session, notices, state, reason)


def _write_decision(session: Session, decision: Decision) -> None:
    """Write postponed notices and messages that end; drafts are written with their attempts."""
    work = decision.work
    message = work.message
    if decision.put_off is not None:
        ended = {notice.id for notices in decision.ended.values() for notice in notices}
        ids = [notice.id for notice in work.notices if notice.id not in ended and notice.state == "waiting"]
        waiting = update(Notice).where(Notice.id.in_(ids), Notice.state == "waiting")
        session.execute(waiting.values(due_at=decision.put_off))
        if message is not None:
            session.execute(update(Message).where(Message.id == message.id).values(next_at=decision.put_off))
    elif decision.draft is None and message is not None:
        states = {state for state, _ in decision.ended}
        state = next((choice for choice in ("print", "failed") if choice in states), "dropped")
        reason = next((reason for ended, reason in decision.ended if ended == state), "")
        session.execute(
            update(Message).where(Message.id == message.id, Message.state == "open").values(state=state, reason=reason)
        )


def settle_unchanged(session: Session, notices: Sequence[Notice], state: str, reason: str) -> None:
    """End notices that no other transaction has ended since they were read."""
    ids = [notice.id for notice in notices]
    session.execute(
        update(Notice)
        .where(Notice.id.in_(ids), Notice.state.in_(("waiting", "sending")))
        .values(state=state, reason=reason, changed_at=clock.now())
    )
