"""The verbs and errors of OAI-PMH 2.0, read by foreign clients and the published schemas."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from lxml import etree
from oaipmh_scythe import Scythe

from gateway.partners.oai import arguments, routes
from services.catalog import sample
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import load_institutions
from tests.builders import book
from tests.corpus import schemas
from tests.gateway.partners.oai.conftest import CONTEXT, DOMAIN, OAI, Repository
from tests.services.catalog.importing.test_deletions import deletion

PREFIXES = ("oai_dc", "marc21", "marcxml", "mods")
NO_RECORD = f"oai:{DOMAIN}:01900000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
def books(repository: Repository) -> Repository:
    """Four books, one of them deleted, and one whose text XML cannot hold."""
    repository.put([book(str(number), f"Buku {number} & <lain>", items=[("PST", f"B{number}")]) for number in (1, 2)])
    repository.put([book("3", "Buku 3", items=[("TJH", "B3")])])
    repository.put([deletion("3")])
    repository.put([book("4", "Buku \x02 4")])
    return repository


def test_identify_says_who_keeps_the_records(books: Repository) -> None:
    identity = books.sickle().Identify()
    assert identity.repositoryName == "Perpustakaan Kota Solok"
    assert identity.baseURL == f"https://{DOMAIN}/oai"
    assert identity.adminEmail == "halo@perpustakaan-solok.example"
    assert identity.deletedRecord == "persistent"
    assert identity.granularity == "YYYY-MM-DDThh:mm:ssZ"
    assert identity.earliestDatestamp == min(
        header.datestamp for header in books.sickle().ListIdentifiers(metadataPrefix="mods")
    )
    assert identity.sampleIdentifier.startswith(f"oai:{DOMAIN}:")


def test_two_harvesters_read_every_record_in_every_format(books: Repository) -> None:
    for prefix in PREFIXES:
        records = list(books.sickle().ListRecords(metadataPrefix=prefix))
        kept = [record for record in records if not record.deleted]
        titles = ["".join(record.xml.itertext()) for record in kept]
        assert all(any(f"Buku {number} & <lain>" in title for title in titles) for number in (1, 2))
        assert [record.header.deleted for record in records].count(True) == 1
        with Scythe(f"{books.address}/oai") as scythe:
            other = [record.header.identifier for record in scythe.list_records(metadata_prefix=prefix)]
        assert other == [record.header.identifier for record in records]


def test_a_record_that_a_format_cannot_hold_is_left_out_of_it(books: Repository) -> None:
    in_dc, in_marc = (
        [record.header.identifier for record in books.sickle().ListRecords(metadataPrefix=prefix)]
        for prefix in ("oai_dc", "marc21")
    )
    (left_out,) = set(in_dc) - set(in_marc)
    assert books.error(verb="GetRecord", metadataPrefix="marc21", identifier=left_out) == "cannotDisseminateFormat"
    assert books.sickle().GetRecord(metadataPrefix="oai_dc", identifier=left_out).metadata["title"] == ["Buku 4"]


@pytest.mark.parametrize(
    "query",
    [
        "verb=Identify",
        "verb=ListMetadataFormats",
        "verb=ListSets",
        *(f"verb=ListRecords&metadataPrefix={prefix}" for prefix in PREFIXES),
        "verb=ListIdentifiers&metadataPrefix=mods&from=2020-01-01&until=2030-01-01",
        "verb=ListRecords&metadataPrefix=mods&from=2030-01-01",
        "verb=None&x=%3C",
        "verb=ListRecords&metadataPrefix=a%20b",
        "verb=GetRecord&metadataPrefix=mods&identifier=a%20%25%20b",
        *(f"verb=GetRecord&metadataPrefix={prefix}&identifier={{identifier}}" for prefix in PREFIXES),
        "verb=ListMetadataFormats&identifier={identifier}",
    ],
)
def test_documents_satisfy_the_published_schemas(books: Repository, query: str) -> None:
    identifier = next(header.identifier for header in books.sickle().ListIdentifiers(metadataPrefix="marc21"))
    response = httpx.get(f"{books.address}/oai?{query.format(identifier=identifier)}", verify=False)
    check(etree.fromstring(response.content))


@pytest.mark.parametrize("verb", ["ListRecords", "ListIdentifiers"])
def test_each_part_of_a_list_satisfies_the_published_schemas(
    books: Repository, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "RECORDS_A_PAGE", 2)
    document, parts = books.document(verb=verb, metadataPrefix="oai_dc"), 1
    while token := document.findtext(f".//{OAI}resumptionToken"):
        check(document)
        document, parts = books.document(verb=verb, resumptionToken=token), parts + 1
    check(document)
    assert parts > 1


def check(document: Any) -> None:
    """Compare a document and its records with the published schemas."""
    assert document.tag == f"{OAI}OAI-PMH"
    for record in list(document.iter("{http://www.loc.gov/mods/v3}mods")):
        # The schema of the protocol imports no MODS, so a record in another format takes its place.
        assert not schemas.faults("mods", etree.fromstring(etree.tostring(record)))
        record.getparent().replace(record, etree.Element("{http://www.openarchives.org/OAI/2.0/oai_dc/}dc"))
    assert not schemas.faults("oai", document)


@pytest.mark.parametrize(
    ("code", "query"),
    [
        ("badVerb", ""),
        ("badVerb", "verb=Nothing"),
        ("badVerb", "verb=Identify&verb=Identify"),
        ("badArgument", "verb=Identify&set=class"),
        ("badArgument", "verb=ListRecords"),
        ("badArgument", "verb=ListRecords&metadataPrefix="),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&metadataPrefix=oai_dc"),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&resumptionToken=x"),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=yesterday"),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=2026-02-30"),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=2026-02-01T10:00:00%2B07:00"),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=2026-01-01&until=2026-01-02T00:00:00Z"),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&from=2026-01-02&until=2026-01-01"),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&set=a%20b"),
        ("badArgument", "verb=ListRecords&metadataPrefix=oai_dc&%ff=%ff"),
        ("badArgument", "verb=GetRecord&metadataPrefix=oai_dc"),
        ("cannotDisseminateFormat", "verb=ListRecords&metadataPrefix=ris"),
        ("cannotDisseminateFormat", f"verb=GetRecord&metadataPrefix=ris&identifier={NO_RECORD}"),
        ("idDoesNotExist", f"verb=GetRecord&metadataPrefix=mods&identifier={NO_RECORD}"),
        ("idDoesNotExist", "verb=GetRecord&metadataPrefix=mods&identifier=oai:other.example:1"),
        ("idDoesNotExist", f"verb=ListMetadataFormats&identifier={NO_RECORD}"),
        ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&from=2120-01-01"),
        ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&until=1990-01-01"),
        ("noRecordsMatch", "verb=ListRecords&metadataPrefix=oai_dc&set=class:999"),
        ("badResumptionToken", "verb=ListRecords&resumptionToken=x"),
        ("badResumptionToken", "verb=ListRecords&resumptionToken=%C3%A9"),
        ("badResumptionToken", "verb=ListSets&resumptionToken=x"),
    ],
)
def test_each_error_of_the_protocol_has_its_code(books: Repository, code: str, query: str) -> None:
    document = etree.fromstring(httpx.get(f"{books.address}/oai?{query}", verify=False).content)
    errors = document.findall(f"{OAI}error")
    assert [error.get("code") for error in errors] == [code]
    assert not schemas.faults("oai", document)
    request = document.find(f"{OAI}request")
    assert bool(request.attrib) == (code not in ("badVerb", "badArgument"))


def test_post_answers_as_get_does(books: Repository) -> None:
    values = {"verb": "ListIdentifiers", "metadataPrefix": "oai_dc"}
    posted = etree.fromstring(httpx.post(f"{books.address}/oai", data=values, verify=False).content)
    assert etree.tostring(posted.find(f"{OAI}ListIdentifiers")) == etree.tostring(
        books.document(**values).find(f"{OAI}ListIdentifiers")
    )
    as_json = etree.fromstring(httpx.post(f"{books.address}/oai", json=values, verify=False).content)
    assert as_json.find(f"{OAI}error").get("code") == "badArgument"


def test_sets_follow_branches_materials_and_classes(books: Repository) -> None:
    names = {entry.setSpec: entry.setName for entry in books.sickle().ListSets()}
    assert names["institution:PKS"] == "Perpustakaan Kota Solok / Solok City Library"
    assert names["material:book"] == "Buku / Book"
    assert names["class:800"] == "800 Kesusastraan / 800 Literature"
    everything = books.identifiers()
    assert (
        sorted(books.identifiers(set="institution:PKS"))
        == sorted(everything)
        == sorted(books.identifiers(set="material"))
    )
    assert len(books.identifiers(set="institution:PKS:PST")) == 2
    assert set(books.identifiers(set="class:800")) < set(everything)


def test_a_deleted_record_stays_in_its_sets(books: Repository) -> None:
    (header,) = books.sickle().ListIdentifiers(metadataPrefix="oai_dc", set="institution:PKS:TJH")
    assert header.deleted
    record = books.sickle().GetRecord(metadataPrefix="oai_dc", identifier=header.identifier)
    assert record.header.deleted
    assert record.xml.find(f"{OAI}metadata") is None


def test_an_institution_has_a_repository_with_its_records_only(books: Repository) -> None:
    books.put([book("9", "Buku lain")], source="TEST")
    specs = [entry.setSpec.split(":") for entry in books.sickle().ListSets()]
    other = next(spec[1] for spec in specs if spec[0] == "institution" and spec[1:] not in ([], ["PKS"]))
    assert len(books.identifiers("/oai/PKS")) == len(books.identifiers())
    assert books.error(f"/oai/{other}", verb="ListRecords", metadataPrefix="oai_dc") == "noRecordsMatch"
    identifier = books.identifiers()[0]
    assert (
        books.error(f"/oai/{other}", verb="GetRecord", metadataPrefix="oai_dc", identifier=identifier)
        == "idDoesNotExist"
    )
    specs = [entry.setSpec for entry in books.sickle(f"/oai/{other}").ListSets()]
    assert "institution:PKS" not in specs
    assert f"institution:{other}" in specs
    assert books.sickle(f"/oai/{other}").Identify().baseURL == f"https://{DOMAIN}/oai/{other}"
    assert books.response("/oai/NONE", verb="Identify").status_code == 404


def test_an_institution_may_have_any_code(books: Repository) -> None:
    (institution, *_) = read_institutions(sample.institutions_path())
    with books.database.transaction(CONTEXT) as session:
        named = {"code": "P K~", "branches": [], "name_id": "Lain", "name_en": "Other", "kind": "", "npp": ""}
        load_institutions(session, [institution | named], context=CONTEXT)
    repository = books.sickle("/oai/P%20K~")
    assert repository.Identify().baseURL == f"https://{DOMAIN}/oai/P%20K~"
    assert "institution:P~20K~7E" in [entry.setSpec for entry in repository.ListSets()]


def test_a_response_is_compressed_when_the_harvester_accepts_it(books: Repository) -> None:
    books.put([book(f"long{number}", "Buku panjang " * 20) for number in range(10)])
    query = {"verb": "ListRecords", "metadataPrefix": "marc21"}
    plain = books.response(headers={"Accept-Encoding": "identity"}, **query)
    squeezed = books.response(headers={"Accept-Encoding": "gzip"}, **query)
    assert "content-encoding" not in plain.headers
    assert squeezed.headers["content-encoding"] == "gzip"
    assert len(etree.fromstring(squeezed.content)) == len(etree.fromstring(plain.content))


def test_formats_are_those_of_the_protocol_and_of_libraries(books: Repository) -> None:
    formats = {entry.metadataPrefix: entry.metadataNamespace for entry in books.sickle().ListMetadataFormats()}
    assert formats == {prefix: form.namespace for prefix, form in arguments.FORMATS.items()}
    of_one = books.sickle().ListMetadataFormats(identifier=books.identifiers()[0])
    assert [entry.metadataPrefix for entry in of_one] == list(formats)
