"""Arbitrary bytes and texts cause no crash and no hang, and no status 500 of the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import iter_route_contexts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chassis.operations.testing import migrated_database
from chassis.service import Resources
from chassis.settings import Settings
from gateway.app import create_app
from services.catalog import rpc
from services.catalog.index.installation import open_index_at
from services.catalog.service import SERVICE
from services.catalog.settings import CatalogSettings
from tests.fakes.library import Library, begun, book
from tests.fakes.running import served_catalog, served_gateway
from tests.fuzz.seeds import SEEDS, TOKENS
from tests.fuzz.targets import TARGETS

HANG_SECONDS = 20
RECORD_ID = "the-first-record"  # placeholder for the id of a record
BOOKS = [book(f"Robohnya surau kami {number}", author="Navis, A. A.", isbn="9780306406157") for number in range(12)]


def damaged(name: str) -> st.SearchStrategy[bytes]:
    """Valid bytes of this kind with pieces replaced, or any bytes."""
    pieces = st.lists(st.sampled_from(TOKENS[name]) | st.binary(max_size=3), max_size=6).map(b"".join)
    cuts = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), pieces), min_size=1, max_size=5)

    def damage(parts: tuple[bytes, list[tuple[float, int, bytes]]]) -> bytes:
        raw, replacements = parts
        for position, cut, replacement in replacements:
            at = int(position * len(raw))
            raw = raw[:at] + replacement + raw[at + cut :]
        return raw

    return st.one_of(st.tuples(st.sampled_from(SEEDS[name]), cuts).map(damage), st.binary(max_size=300))


@pytest.mark.parametrize("name", TARGETS)
@given(data=st.data())
@settings(max_examples=300)
def test_any_bytes_are_handled(name: str, data: Any) -> None:
    TARGETS[name](data.draw(damaged(name)))


@pytest.mark.parametrize("name", TARGETS)
def test_valid_seeds_are_accepted(name: str) -> None:
    assert all(TARGETS[name](seed) for seed in SEEDS[name]) or name == "cursor"


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a gateway with a real catalogue and real records, over sockets."""
    folder: Path = tmp_path_factory.mktemp("fuzz")
    settings_ = Settings(data=folder)
    with (
        migrated_database(SERVICE, settings_.database("catalog")) as database,
        closing(begun(open_index_at(settings_.of(CatalogSettings).search, database))) as index,
    ):
        Library(database, index).put(BOOKS)
        servicer = rpc.servicer(Resources(settings=settings_, database=database, service=SERVICE))
        with (
            served_catalog(servicer) as url,
            served_gateway(url) as address,
            httpx.Client(base_url=address, timeout=HANG_SECONDS) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def record_id(http: httpx.Client) -> str:
    """Id of an existing record."""
    record_id: str = http.get("/api/v1/search").json()["hits"][0]["id"]
    return record_id


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
        "id": st.just(RECORD_ID) | st.text(max_size=40),
        "format": st.sampled_from(["mods", "marcxml", "oai_dc"]) | st.text(max_size=10),
        "at": st.text(max_size=30),
        "group": st.sampled_from(["work", ""]) | st.text(max_size=5),
        "explain": st.sampled_from(["true", "1"]) | st.text(max_size=5),
        "page": st.text(max_size=5),
        "hit": st.integers(-1, 11).map(str) | st.text(max_size=5),
    },
)
# A degraded or unready library responds with 503 by design; this one is ready.
ROUTES = sorted(
    {
        route.path
        for route in iter_route_contexts(create_app(Settings(service_urls={"catalog": "dns:///127.0.0.1:1"})).routes)
        if route.path
    }
)
# A known record, texts with a meaning in some route, and any text.
PIECE = st.one_of(
    st.sampled_from([RECORD_ID, "titles", "subject", "800", "2X4", "mods", "1", "language", "0", "none"]),
    st.text(min_size=1, max_size=30),
).map(lambda text: quote(text, safe=""))


def path_of(parts: tuple[str, list[str]]) -> str:
    """The path of a route with a text for each of its parameters."""
    route, pieces = parts
    return re.sub(r"\{[^}]*\}", lambda _: pieces.pop(), route)


PATHS = st.one_of(
    st.tuples(st.sampled_from(ROUTES), st.lists(PIECE, min_size=3, max_size=3)).map(path_of),
    st.text(max_size=30).map(lambda text: "/" + quote(text)),
)


@given(path=PATHS, parameters=PARAMETERS, language=st.sampled_from(["id", "en", "*", "x" * 80]))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_request_gets_a_result_or_a_refusal(
    http: httpx.Client, record_id: str, path: str, parameters: dict[str, str], language: str
) -> None:
    params = {name: value.replace(RECORD_ID, record_id) for name, value in parameters.items()}
    response = http.get(path.replace(RECORD_ID, record_id), params=params, headers={"Accept-Language": language})
    assert response.status_code < 500, response.text


@given(at=st.integers(0, 200), flip=st.integers(1, 255))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_cursor_with_a_changed_character_is_accepted_or_refused(http: httpx.Client, at: int, flip: int) -> None:
    cursor = http.get("/api/v1/search", params={"q": "surau"}).json()["next"]
    position = at % len(cursor)
    changed_cursor = cursor[:position] + chr(ord(cursor[position]) ^ flip) + cursor[position + 1 :]
    response = http.get("/api/v1/search", params={"q": "surau", "cursor": changed_cursor})
    assert response.status_code < 500
    if response.status_code == 400:
        assert response.json()["reason"] in ("CURSOR_INVALID", "PAGING_TOO_DEEP", "PARAMETER_NOT_TEXT")
