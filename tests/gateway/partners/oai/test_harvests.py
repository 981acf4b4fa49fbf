"""Lists in parts: resumption tokens, changes during a harvest, and waiting when the server is busy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from sqlalchemy import update

from chassis import clock
from gateway.partners.oai import routes
from gateway.partners.oai.arguments import (
    FORMATS,
    LISTS,
    VERBS,
    Fault,
    Place,
    Selection,
    read_arguments,
    read_selection,
    read_token,
    write_token,
)
from gateway.partners.oai.documents import error, wrap
from services.catalog.harvest.numbering import lock_changes
from services.catalog.tables import NumberedChange
from tests.builders import book
from tests.corpus import schemas
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway
from tests.gateway.partners.oai.conftest import CONTEXT, OAI, Repository, served
from tests.services.catalog.importing.test_deletions import deletion

LIST = {"verb": "ListRecords", "metadataPrefix": "oai_dc"}
NOW = datetime(2026, 12, 1, tzinfo=UTC)
KEY = b"key"


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "RECORDS_A_PAGE", 3)


def books(source: str, numbers: range) -> list[Any]:
    return [book(f"{source}{number}", f"Buku {number}") for number in numbers]


def token_of(document: Any) -> Any:
    return document.find(f"{OAI}ListRecords/{OAI}resumptionToken")


def headers_of(document: Any) -> list[tuple[str, str, bool]]:
    """Identifier, datestamp and whether it is deleted, of each record."""
    return [
        (header.findtext(f"{OAI}identifier"), header.findtext(f"{OAI}datestamp"), header.get("status") == "deleted")
        for header in document.iter(f"{OAI}header")
    ]


@pytest.mark.usefixtures("small_pages")
def test_a_list_in_parts_says_how_far_it_is(repository: Repository) -> None:
    repository.put(books("parts", range(7)))
    document = repository.document(**LIST)
    cursors, seen = [], headers_of(document)
    expires = datetime.fromisoformat(token_of(document).get("expirationDate"))
    assert timedelta(hours=47) < expires - datetime.now(UTC) < timedelta(hours=49)
    while (token := token_of(document)).text:
        cursors.append(int(token.get("cursor")))
        document = repository.document(verb="ListRecords", resumptionToken=token.text)
        seen += headers_of(document)
    assert cursors == list(range(0, 3 * len(cursors), 3))
    assert int(token.get("cursor")) == 3 * len(cursors)
    assert len(seen) == len(set(seen)) >= 7


@pytest.mark.usefixtures("small_pages")
def test_a_harvest_is_complete_while_records_change(repository: Repository) -> None:
    """A record that changes after it was delivered comes again, with its new datestamp; nothing is missing."""
    repository.put(books("during", range(12)))
    document, seen, step = repository.document(**LIST), [], 0
    while True:
        seen += headers_of(document)
        # One delivered record and one that is not delivered yet change; one is deleted, one restored, one is new.
        changes = {
            0: [book("during0", "Buku baru 0"), book("during11", "Buku baru 11")],
            1: [deletion("during1"), deletion("during10")],
            2: [book("during1", "Buku kembali"), book("during12", "Buku 12")],
        }
        repository.put(changes.get(step, []))
        step += 1
        if not token_of(document).text:
            break
        document = repository.document(verb="ListRecords", resumptionToken=token_of(document).text)
    last = {identifier: (at, is_deleted) for identifier, at, is_deleted in seen}
    now = {header.identifier: (header.datestamp, header.deleted) for header in _headers(repository)}
    assert last == now


def _headers(repository: Repository) -> Any:
    return repository.sickle().ListIdentifiers(metadataPrefix="oai_dc")


def test_the_next_harvest_begins_where_the_last_one_began(repository: Repository) -> None:
    """Asking from the time of the response misses no change; at most those of that second come again."""
    repository.put(books("next", range(3)))
    began = repository.document(**LIST).findtext(f"{OAI}responseDate")
    repository.put([book("next1", "Buku lain")])
    records = list(repository.sickle().ListRecords(metadataPrefix="oai_dc"))
    (changed,) = (record for record in records if "Buku lain" in record.raw)
    assert changed.header.identifier in repository.identifiers(**{"from": began})


def test_from_and_until_include_their_seconds_and_days(repository: Repository) -> None:
    repository.put(books("times", range(2)))
    header = list(_headers(repository))[-1]
    day = header.datestamp[:10]
    for first, last in ((header.datestamp, header.datestamp), (day, day)):
        assert header.identifier in repository.identifiers(**{"from": first, "until": last})
    before = (datetime.fromisoformat(header.datestamp) - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert header.identifier not in repository.identifiers(until=before)


@pytest.mark.usefixtures("small_pages")
def test_a_token_of_another_verb_and_an_expired_token_are_refused(repository: Repository) -> None:
    repository.put(books("token", range(5)))
    token = token_of(repository.document(**LIST)).text
    assert repository.error(verb="ListIdentifiers", resumptionToken=token) == "badResumptionToken"
    assert repository.error(verb="ListRecords", resumptionToken=token[:-2]) == "badResumptionToken"
    with clock.frozen(datetime.now(UTC) + timedelta(hours=49)):
        assert repository.error(verb="ListRecords", resumptionToken=token) == "badResumptionToken"
    assert repository.document(verb="ListRecords", resumptionToken=token).find(f"{OAI}ListRecords") is not None


@pytest.mark.usefixtures("small_pages")
def test_a_page_ends_before_a_message_is_too_large(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.catalog.rpc.harvest.MOST_BYTES", 1)
    repository.put(books("large", range(3)))
    document = repository.document(**LIST)
    assert len(headers_of(document)) == 1
    assert token_of(document).text
    assert len(list(repository.sickle().ListRecords(metadataPrefix="oai_dc"))) == len(repository.identifiers())


@pytest.mark.usefixtures("small_pages")
def test_a_list_does_not_promise_a_part_in_which_no_record_is(repository: Repository) -> None:
    began = repository.document(**LIST).findtext(f"{OAI}responseDate")
    repository.put([*books("held", range(3)), *(book(f"unheld{number}", "Buku \x02") for number in range(5))])
    arguments = {"verb": "ListRecords", "metadataPrefix": "marc21", "from": began}
    document = repository.document(**arguments)
    while token_of(document) is not None and token_of(document).text:
        document = repository.document(verb="ListRecords", resumptionToken=token_of(document).text)
        assert headers_of(document)


@pytest.mark.usefixtures("small_pages")
def test_a_list_whose_rest_is_gone_ends_without_matching_records(repository: Repository) -> None:
    repository.put(books("gone", range(5)))
    token = token_of(repository.document(**LIST, set="material:book")).text
    with repository.database.transaction(CONTEXT) as session:
        session.execute(update(NumberedChange).values(sets=" class:000 "))
    assert repository.error(verb="ListRecords", resumptionToken=token) == "noRecordsMatch"


@pytest.mark.usefixtures("small_pages")
def test_only_the_first_part_waits_for_writers_and_all_have_its_time(repository: Repository) -> None:
    repository.put(books("waits", range(7)))
    document = repository.document(**LIST)
    with clock.frozen(datetime.now(UTC) + timedelta(hours=1)), repository.database.transaction(CONTEXT) as session:
        lock_changes(session)
        following = repository.document(verb="ListRecords", resumptionToken=token_of(document).text)
        assert repository.response("/api/v1/changes").status_code == 200
    assert following.findtext(f"{OAI}responseDate") == document.findtext(f"{OAI}responseDate")


def test_behind_a_writer_that_does_not_commit_a_harvest_begins_later(repository: Repository, tmp_path: Path) -> None:
    repository.put(books("stuck", range(2)))
    with served(repository.database, tmp_path, call_seconds=1.0) as hurried:
        with repository.database.transaction(CONTEXT) as session:
            session.execute(update(NumberedChange).values(version=NumberedChange.version))
            lock_changes(session)
            refused = hurried.response(**LIST)
            assert hurried.response("/api/v1/changes").json()["hits"]
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (503, True)
        assert headers_of(hurried.document(**LIST))


def test_a_harvester_waits_when_it_asks_too_often_or_the_catalogue_is_away() -> None:
    catalog = FakeCatalog()
    with served_catalog(catalog) as url, served_gateway(url, rate_limit=2) as address:
        catalog.down = True
        away = httpx.get(f"{address}/oai?verb=Identify", verify=False)
        catalog.down = False
        statuses = [httpx.get(f"{address}/oai?verb=Identify", verify=False) for _ in range(3)]
    assert away.status_code == 503
    assert int(away.headers["retry-after"]) > 0
    assert [response.status_code for response in statuses][-1] == 503
    assert int(statuses[-1].headers["retry-after"]) > 0


seconds = st.none() | st.integers(-62_135_596_800, 253_402_300_799)
selections = st.builds(
    Selection, st.sampled_from(LISTS), st.sampled_from(sorted(FORMATS)), st.text(max_size=40), seconds, seconds
)
places = st.builds(
    Place,
    *(st.integers(0, 2**63 - 1) for _ in range(2)),
    st.integers(int(NOW.timestamp()), 2**40),
    st.integers(0, 2**40),
)


@given(selections, places)
def test_every_token_is_read_as_it_was_written(selection: Selection, place: Place) -> None:
    token = write_token(selection, place, key=KEY)
    assert read_token(token, selection.verb, key=KEY, now=NOW) == (selection, place)


# Written by the first release with OAI-PMH. Harvests that began before an upgrade must go on after it.
STORED_TOKEN = (
    "tLx6rUWTAA0asjFMWzMsIkxpc3RSZWNvcmRzIiwibWFyYzIxIiwiaW5zdGl0dXRpb246UEtTIixudWxsLDE3OTYwODMyMDAsMTIzNCwxMDAwLDE3OTYy"
    "NTYwMDAsMTc5NjA4MzIwMF0"
)


def test_a_token_of_the_first_release_is_read() -> None:
    began = int(NOW.timestamp())
    assert read_token(STORED_TOKEN, "ListRecords", key=KEY, now=NOW) == (
        Selection("ListRecords", "marc21", "institution:PKS", None, began),
        Place(after=1234, delivered=1000, expires=began + 48 * 3600, began=began),
    )


@pytest.mark.parametrize("other", ["+", "~-", "\n-", "=-"])
def test_a_token_with_other_characters_is_refused(other: str) -> None:
    """The decoder of base64 reads each of these as the minus with which the token begins."""
    selection, place = Selection("ListRecords", "marc21", "", None, None), Place(0, 0, 2**33, 0)
    tokens = ((write_token(selection, place, key=bytes([number])), bytes([number])) for number in range(256))
    token, key = next((token, key) for token, key in tokens if token.startswith("-"))
    assert read_token(token, "ListRecords", key=key, now=NOW) == (selection, place)
    with pytest.raises(Fault, match="badResumptionToken"):
        read_token(other + token[1:], "ListRecords", key=key, now=NOW)


@given(selections, places, st.data())
def test_a_changed_token_is_refused(selection: Selection, place: Place, data: st.DataObject) -> None:
    token = write_token(selection, place, key=KEY)
    at = data.draw(st.integers(0, len(token) - 2))  # the last character may have bits that no byte uses
    other = data.draw(st.characters().filter(lambda character: character != token[at]))
    for changed, key in ((token[:at] + other + token[at + 1 :], KEY), (token, b"other"), (token[: at + 1], KEY)):
        with pytest.raises(Fault, match="badResumptionToken"):
            read_token(changed, selection.verb, key=key, now=NOW)


NAMES = st.sampled_from(["verb", "set", "from", "metadataPrefix", "identifier", "resumptionToken", "x", ""])


@given(st.lists(st.tuples(NAMES | st.text(), st.sampled_from(sorted(VERBS)) | st.text())))
def test_any_arguments_are_read_or_refused_by_name_and_repeated_as_the_schema_allows(
    pairs: list[tuple[str, str]],
) -> None:
    names = [name for name, _ in pairs]
    if names.count("verb") != 1 or dict(pairs)["verb"] not in VERBS:
        with pytest.raises(Fault, match="badVerb"):
            read_arguments(pairs)
    else:
        shown: dict[str, str] = {}
        try:
            verb, arguments = read_arguments(pairs)
            assert sorted([("verb", verb), *arguments.items()]) == sorted(pairs)
            if verb in LISTS and "metadataPrefix" in arguments:
                read_selection(verb, arguments)
            shown = {"verb": verb, **arguments}
            body = error(Fault("idDoesNotExist", "No such record."))
        except Fault as fault:
            body = error(fault)
        document = wrap(body, base_url="https://katalog.example/oai", arguments=shown, at=NOW)
        assert not schemas.faults("oai", etree.fromstring(document))
