"""Choices of members: one switch a kind and one a channel, over finer answers of earlier releases and of the API."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pytest

from chassis.errors import Invalid
from chassis.ids import new_id
from rangkiang.notifications.v1 import notices_pb2
from services.notifications.preferences import Choices, allows, choices_of, choose, kinds
from tests.services.notifications.partners import Partners

OFFERED = ("email", "whatsapp")
EVERY = tuple(kinds())
CHANNELS = ("email", "whatsapp", "sms", "push")


def after(
    answers: Mapping[tuple[str, str], bool], *, kinds: tuple[str, ...] = EVERY, channels: tuple[str, ...] = OFFERED
) -> dict[tuple[str, str], bool]:
    """The answers after a member saves these switches."""
    chosen = choose(answers, Choices(kinds, channels), OFFERED)
    return {(answer.kind, answer.channel): answer.allowed for answer in chosen}


def table(answers: Mapping[tuple[str, str], bool]) -> dict[tuple[str, str], bool]:
    return {(kind, channel): allows(answers, kind, channel) for kind, channel in product(EVERY, CHANNELS)}


def without(*names: str) -> tuple[str, ...]:
    return tuple(kind for kind in EVERY if kind not in names)


def test_without_answers_every_switch_is_on() -> None:
    assert choices_of({}, OFFERED) == Choices(EVERY, OFFERED)
    assert choices_of({}, ()) == Choices(EVERY, ())


def test_a_kind_switched_off_is_off_everywhere_and_a_channel_for_every_kind() -> None:
    answers = after({}, kinds=without("overdue"), channels=("email",))
    assert answers == {("overdue", "all"): False, ("all", "whatsapp"): False}
    assert choices_of(answers, OFFERED) == Choices(without("overdue"), ("email",))


def test_kinds_stay_wanted_while_every_channel_is_off() -> None:
    answers = after({}, kinds=without("overdue"), channels=())
    assert choices_of(answers, OFFERED) == Choices(without("overdue"), ())
    assert after(answers, kinds=without("overdue")) == {("overdue", "all"): False}


# What the 36 boxes of earlier releases, links in notices, a merge and the API have stored.
EARLIER: list[dict[tuple[str, str], bool]] = [
    {},
    {("due_soon", "email"): False},
    {("overdue", channel): False for channel in CHANNELS},
    {(kind, "whatsapp"): False for kind in EVERY},
    {(kind, channel): False for kind in EVERY for channel in CHANNELS},
    {("all", "all"): False},
    {("all", "all"): False, ("overdue", "email"): True},
    {("all", "email"): False, ("overdue", "all"): True},
    {("loan_digest", "email"): False},
    {("overdue", "all"): False, ("overdue", "sms"): True},
]


@pytest.mark.parametrize("earlier", EARLIER)
def test_saving_the_switches_as_they_are_changes_no_notice(earlier: dict[tuple[str, str], bool]) -> None:
    shown = choices_of(earlier, OFFERED)
    saved = after(earlier, kinds=shown.kinds, channels=shown.channels)
    assert choices_of(saved, OFFERED) == shown
    for cell, allowed in table(earlier).items():
        # A kind that is off on every channel of the library is off on others that it may get later.
        assert table(saved)[cell] == (allowed and cell[0] in shown.kinds), cell


@pytest.mark.parametrize("earlier", EARLIER)
def test_a_switched_on_kind_is_sent_over_each_wanted_channel_and_the_others_stay(
    earlier: dict[tuple[str, str], bool],
) -> None:
    shown = choices_of(earlier, OFFERED)
    off = [kind for kind in EVERY if kind not in shown.kinds]
    if not off:
        shown, off = Choices(without("overdue"), shown.channels), ["overdue"]
        earlier = after(earlier, kinds=shown.kinds, channels=shown.channels)
    kind = off[0]
    saved = after(earlier, kinds=(*shown.kinds, kind), channels=shown.channels)
    assert kind in choices_of(saved, OFFERED).kinds
    assert {channel for channel in OFFERED if allows(saved, kind, channel)} == set(shown.channels)
    others = {cell: allowed for cell, allowed in table(saved).items() if cell[0] in shown.kinds}
    assert others == {cell: table(earlier)[cell] for cell in others}


def test_finer_answers_stay_until_their_switch_changes() -> None:
    finer = {("due_soon", "email"): False, ("all", "print"): False}
    assert after(finer) == finer
    assert after(after(finer, kinds=without("due_soon"))) == {("all", "print"): False}
    assert after(after(finer, channels=("whatsapp",))) == {("all", "print"): False}


def test_no_kind_and_no_channel_is_invented() -> None:
    for choices in (Choices(("nonsense",), ()), Choices((), ("pigeon",))):
        with pytest.raises(Invalid):
            choose({}, choices, OFFERED)


def test_answers_and_choices_in_one_request_are_refused(both: Partners) -> None:
    answers = [notices_pb2.Preference(kind="due_soon", channel="email", allowed=False)]
    put = notices_pb2.PutOwnPreferencesRequest(preferences=answers, choices=notices_pb2.NoticeChoices())
    with pytest.raises(Invalid) as refusal:
        both.stub.PutOwnPreferences(put, metadata=both.caller("self", actor=str(new_id())))
    assert refusal.value.reason == "PREFERENCES_TWICE"
