"""Whatever bytes and texts come: no crash, no hang, and through the gateway no 500."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.service import Resources
from chassis.settings import Settings
from chassis.testing import migrated_database
from chassis.urls import open_url
from services.catalog import rpc
from services.catalog.index import ENGINES
from services.catalog.service import SERVICE
from tests.fakes.library import Library, begun, book
from tests.fakes.running import served_catalog, served_gateway
from tests.fuzz.seeds import SEEDS, TOKENS
from tests.fuzz.targets import LONGEST_SECONDS, TARGETS

BOOKS = [book(f"Robohnya surau kami {each}", author="Navis, A. A.", isbn="9780306406157") for each in range(12)]


def damaged(name: str) -> st.SearchStrategy[bytes]:
    """Sound bytes of this kind with pieces cut out and others put in; or any bytes."""
    pieces = st.lists(st.sampled_from(TOKENS[name]) | st.binary(max_size=3), max_size=6).map(b"".join)
    cuts = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), pieces), min_size=1, max_size=5)

    def damage(given: tuple[bytes, list[tuple[float, int, bytes]]]) -> bytes:
        raw, blows = given
        for place, cut, put in blows:
            at = int(place * len(raw))
            raw = raw[:at] + put + raw[at + cut :]
        return raw

    return st.one_of(st.tuples(st.sampled_from(SEEDS[name]), cuts).map(damage), st.binary(max_size=300))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_dealt_with(name: str, data: Any) -> None:
    TARGETS[name](data.draw(damaged(name)))


@pytest.mark.parametrize("name", TARGETS)
def test_sound_seeds_are_understood(name: str) -> None:
    assert all(TARGETS[name](seed) for seed in SEEDS[name]) or name == "cursor"


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The whole way: a gateway before a real catalogue with real books, over sockets."""
    folder: Path = tmp_path_factory.mktemp("fuzz")
    here = Settings(data=folder)
    with (
        migrated_database(SERVICE, here.database("catalog")) as database,
        closing(begun(open_url(here.search, ENGINES))) as index,
    ):
        Library(database, index).put(BOOKS)
        servicer = rpc.servicer(Resources(settings=here, database=database, service=SERVICE))
        with (
            served_catalog(servicer) as url,
            served_gateway(url) as address,
            httpx.Client(base_url=address, timeout=20) as client,
        ):
            yield client


TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from([token.decode() for token in TOKENS["query"]]), max_size=10).map("".join),
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "q": TEXT,
        "cursor": st.text(max_size=40) | st.binary(max_size=30).map(bytes.hex),
        "sort": st.sampled_from(["relevance", "year", "-year", "title"]) | st.text(max_size=8),
        "facets": st.sampled_from(["language", "year,author", "class"]) | st.text(max_size=12),
        "limit": st.integers(-2, 200).map(str) | st.text(max_size=5),
        "language": st.text(max_size=12),
        "year": st.text(max_size=12),
        "class": st.text(max_size=12),
        "highlight": st.text(max_size=5),
    },
)
PATHS = st.one_of(
    st.sampled_from(["/api/v1/search", "/api/v1/suggest", "/search", "/", "/browse"]),
    st.tuples(st.sampled_from(["/api/v1/records/", "/records/", "/api/v1/", "/"]), st.text(max_size=30).map(quote)).map(
        "".join
    ),
)


@given(path=PATHS, parameters=PARAMETERS, language=st.sampled_from(["id", "en", "*", "x" * 80]))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_question_gets_an_answer_or_a_refusal(
    http: httpx.Client, path: str, parameters: dict[str, str], language: str
) -> None:
    begun_at = time.monotonic()
    answer = http.get(path, params=parameters, headers={"Accept-Language": language})
    assert answer.status_code < 500, answer.text
    assert time.monotonic() - begun_at < LONGEST_SECONDS


@given(at=st.integers(0, 200), flip=st.integers(1, 255))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cursor_with_a_changed_character_is_refused_in_words(http: httpx.Client, at: int, flip: int) -> None:
    cursor = http.get("/api/v1/search", params={"q": "surau"}).json()["next"]
    place = at % len(cursor)
    other = cursor[:place] + chr(ord(cursor[place]) ^ flip) + cursor[place + 1 :]
    answer = http.get("/api/v1/search", params={"q": "surau", "cursor": other})
    assert answer.status_code < 500
    if answer.status_code == 400:
        assert answer.json()["reason"] in ("CURSOR_FOREIGN", "PARAMETER_NOT_TEXT")
