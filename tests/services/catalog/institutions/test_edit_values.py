"""Values that an edit of an institution or a branch may not have."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.errors import Error
from services.catalog.institutions.fields import BRANCH_FIELDS, INSTITUTION_FIELDS, check_field


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"phone": "telepon"}, "DETAIL_PHONE"),
        ({"whatsapp": "+62 1"}, "DETAIL_PHONE"),
        ({"phone": "٠٧٥٥٢٠١٢٣"}, "DETAIL_PHONE"),
        ({"email": "halo"}, "DETAIL_EMAIL"),
        ({"email": "a@b.id\nBcc: c@d.id"}, "DETAIL_TEXT_UNSEEN"),
        ({"links": [{"kind": "website", "url": "javascript:alert(1)"}]}, "DETAIL_URL"),
        ({"links": [{"kind": "website", "url": "JavaScript://solok.example/%0aalert(1)"}]}, "DETAIL_URL"),
        ({"links": [{"kind": "website", "url": "data:text/html,x"}]}, "DETAIL_URL"),
        ({"links": [{"kind": "website", "url": "//solok.example"}]}, "DETAIL_URL"),
        ({"links": [{"kind": "website", "url": "https://bank.example@evil.example/"}]}, "DETAIL_URL"),
        ({"links": [{"kind": "website", "url": "https://solok.example/\"onload='"}]}, "DETAIL_URL"),
        ({"links": [{"kind": "website", "url": "https://localhost/"}]}, "DETAIL_URL"),
        ({"links": [{"kind": "website", "url": "https://[::1/"}]}, "DETAIL_URL"),
        ({"links": [{"kind": "website", "url": "https://a.example/" + "x" * 200}]}, "DETAIL_TEXT_LONG"),
        ({"links": [{"kind": "myspace", "url": "https://a.example"}]}, "DETAIL_LINK"),
        ({"links": [{"kind": "x", "url": "https://x.example"}] * 2}, "DETAIL_LINK_TWICE"),
        ({"links": [{"kind": "x", "url": "https://x.example"}] * 9}, "DETAIL_LIST"),
        ({"name": {"id": "Perpustakaan", "en": ""}}, "DETAIL_TEXTS"),
        ({"motto": {"id": "x" * 201}}, "DETAIL_TEXT_LONG"),
        ({"motto": {"id": "Buka \u202egpj.exe"}}, "DETAIL_TEXT_UNSEEN"),
        ({"address": "a\nb\nc\nd\ne\nf"}, "DETAIL_TEXT_LINES"),
        ({"kelurahan": "a\nb"}, "DETAIL_TEXT_UNSEEN"),
        ({"zone": "Asia/Tokyo"}, "DETAIL_UNKNOWN"),
        ({"logo": "a" * 64}, "DETAIL_UNKNOWN"),
    ],
)  # fmt: skip
def test_a_value_that_makes_no_sense_is_refused_with_its_field(values: dict[str, Any], reason: str) -> None:
    ((field, value),) = values.items()
    with pytest.raises(Error) as problem:
        check_field(INSTITUTION_FIELDS, field, value)
    assert problem.value.reason == reason
    assert field in problem.value.sentence.en


@pytest.mark.parametrize(
    "position",
    [
        {"latitude": 90.1, "longitude": 0},
        {"latitude": 0, "longitude": -180.5},
        {"latitude": float("nan"), "longitude": 0},
        {"latitude": True, "longitude": 0},
        {"latitude": "0", "longitude": "0"},
        {"latitude": 0},
        [0, 0],
    ],
)
def test_a_position_that_is_not_on_the_globe_is_refused(position: Any) -> None:
    with pytest.raises(Error) as problem:
        check_field(BRANCH_FIELDS, "position", position)
    assert problem.value.reason == "DETAIL_POSITION"
