"""The sender follows WhatsApp's error codes as Meta documents them."""

from __future__ import annotations

import pytest

from services.notifications.channels.whatsapp import outcome_of_error

WAITS, STOPS, REFUSED, BAD_ADDRESS = "waits", "stops the channel", "refused", "bad address"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (131056, WAITS),  # many messages to this person: those to others go on
        (4, STOPS), (80007, STOPS), (130429, STOPS),  # too fast
        (2, STOPS), (131000, STOPS), (131016, STOPS), (131057, STOPS), (133004, STOPS), (2494100, STOPS),  # away
        (0, STOPS), (190, STOPS), (10, STOPS), (200, STOPS), (299, STOPS), (131005, STOPS),  # key, permissions
        (33, STOPS), (131037, STOPS), (131045, STOPS), (133006, STOPS), (133010, STOPS),  # the number of the library
        (368, STOPS), (131031, STOPS), (131042, STOPS), (131048, STOPS),  # bans, bill, quality
        (131026, BAD_ADDRESS), (131021, BAD_ADDRESS),
        (131047, REFUSED), (131051, REFUSED), (100, REFUSED), (131008, REFUSED), (131009, REFUSED),
        # A foreign number, or one that a test account may not write to: other members are reached.
        (130497, REFUSED), (131030, REFUSED),
        (132000, REFUSED), (132001, REFUSED), (132005, REFUSED), (132007, REFUSED), (132012, REFUSED),
        (132015, REFUSED), (132016, REFUSED), (132018, REFUSED),
        (130472, REFUSED), (131049, REFUSED), (131050, REFUSED), (135000, REFUSED),
    ],
)  # fmt: skip
def test_a_code_says_whether_a_message_waits_the_channel_stops_or_the_next_channel_has_its_turn(code, expected):
    outcome = outcome_of_error(code)
    classes = {
        ("temporary", False): WAITS,
        ("temporary", True): STOPS,
        ("permanent", False): BAD_ADDRESS if outcome.is_address_bad else REFUSED,
    }
    assert classes[outcome.state, outcome.is_channel_down] == expected
    assert outcome.is_address_bad == (expected == BAD_ADDRESS)
