"""The corpus: a seed always gives the same bytes, schemas refuse faults, and a report names the missing parts."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from lxml import etree

from services.catalog.formats import FORMS
from services.catalog.marc.record import Record
from tests import corpus
from tests.conftest import CHECKOUT
from tests.corpus import real, schemas, sound
from tests.services.catalog.formats.entries import entry

DIGEST = """
import hashlib
from tests import corpus
for file in [*corpus.own_sound_files(), *corpus.own_damaged_files()]:
    print(file, hashlib.sha256(file.read()).hexdigest())
"""
FEED = (
    '<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="id"><id>https://a.example/</id><title>Judul</title>'
    "<updated>2026-11-26T01:30:00Z</updated><author><name>Rangkiang</name></author></feed>"
)


def test_another_process_generates_the_same_bytes() -> None:
    command = [sys.executable, "-c", DIGEST]
    output = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    files = [*corpus.own_sound_files(), *corpus.own_damaged_files()]
    assert output.splitlines() == [f"{file} {hashlib.sha256(file.read()).hexdigest()}" for file in files]


def test_generated_records_have_every_tag_of_the_table_every_kind_and_every_script() -> None:
    records = corpus.own_records("generated")
    assert {rule.tag for rule in sound.RULES} <= {field[0] for record in records for field in record.fields}
    assert {record.leader[6:8] for record in records} == {kind for kind, _ in sound.KINDS}
    marks = {part[6:] for record in records for field in record.all("880") for part in field[3:4]}
    assert {"/(3/r", "/(2/r", "/(N", "/(S", "/$1"} <= marks


def test_a_longer_set_begins_with_the_same_records() -> None:
    assert list(sound.records(20))[:10] == list(sound.records(10))


@pytest.fixture
def documents() -> dict[str, str]:
    """A valid document of each form."""
    record = entry(
        ["001", "1"],
        ["245", "10", "a", "Robohnya surau kami"],
        ["264", " 1", "a", "Bukittinggi :", "b", "Nusantara,", "c", "1956"],
        ["650", " 4", "a", "Kesusastraan"],
    )
    return {form: FORMS[form].document(record).decode() for form in ("dc", "mods", "marcxml")} | {"atom": FEED}


@pytest.mark.parametrize(
    ("form", "old", "new"),
    [
        ("dc", "<dc:title>", "<dc:title lang='id'>"),
        ("dc", "dc:title>", "dc:judul>"),
        ("dc", "Robohnya surau kami", ""),
        ("mods", "<typeOfResource>text<", "<typeOfResource>book<"),
        ("mods", "<issuance>monographic<", "<issuance>once<"),
        ("mods", "<title>Robohnya", "<title type='uniform'>Robohnya"),
        ("mods", "<titleInfo><title>Robohnya surau kami</title></titleInfo>", "<titleInfo/>"),
        ("mods", 'usage="primary display"', 'usage="first"'),
        ("mods", "placeTerm", "placeWord"),
        ("marcxml", 'ind1="1"', 'ind1="A"'),
        ("marcxml", 'tag="245"', 'tag="2a5B"'),
        ("marcxml", 'code="a"', 'code=""'),
        ("marcxml", 'tag="001"', 'tag="100"'),
        ("marcxml", "4500</leader>", "45 0</leader>"),
        ("marcxml", "</record>", '<controlfield tag="003">RK</controlfield></record>'),
        ("atom", "<id>https://a.example/</id>", ""),
        ("atom", "</feed>", "<title>Lain</title></feed>"),
        ("atom", "01:30:00Z", "01:30:00"),
        ("atom", "<author><name>Rangkiang</name></author>", ""),
        ("atom", "</feed>", "<entry><id>a:b</id><title>x</title></entry></feed>"),
    ],
)
def test_our_schemas_refuse_invalid_documents(documents: dict[str, str], form: str, old: str, new: str) -> None:
    sound_one = documents[form]
    assert schemas.faults(form, etree.fromstring(sound_one.encode())) == []
    assert old in sound_one
    damaged_document = etree.fromstring(sound_one.replace(old, new).encode())
    assert not schemas.ours(form).validate(damaged_document)


def test_the_report_names_each_missing_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUS", str(tmp_path))
    assert all(purpose in real.report() for purpose in real.PARTS.values())
    (tmp_path / "schemas").mkdir()
    assert real.PARTS["schemas"] not in real.report()
    for part in real.PARTS:
        (tmp_path / part).mkdir(parents=True, exist_ok=True)
    assert "left out" not in real.report()


def test_without_the_folder_there_are_no_real_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORPUS", str(tmp_path / "nowhere"))
    assert corpus.sets() == ["own"]
    assert list(map(str, corpus.sound_files())) == list(map(str, corpus.own_sound_files()))
    assert list(map(str, corpus.damaged_files())) == list(map(str, corpus.own_damaged_files()))
    assert isinstance(next(corpus.loaded("own")), Record)
