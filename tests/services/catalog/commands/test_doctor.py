"""Doctor finds faults of the catalogue while every part answers."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from sqlalchemy import insert

from chassis import clock
from chassis.context import system
from chassis.service import Resources, load
from chassis.settings import Settings
from services.catalog import checks
from services.catalog.tables import IndexQueue
from tests.builders import book, iso
from tests.services.catalog.commands.running import prepare, run


@pytest.mark.parametrize(("seconds", "is_late"), [(5, False), (70, True)])
def test_an_index_that_is_behind_for_over_a_minute_is_found(tmp_path: Path, seconds: int, is_late: bool) -> None:
    prepare(tmp_path)
    run(tmp_path, "import", "-", "--source", "A", "--new-source", stdin=iso([book("1")]))
    with closing(load("catalog").open_database(Settings(data=tmp_path))) as database:
        assert not _finding(tmp_path)
        queued_at = clock.now() - timedelta(seconds=seconds)
        with database.transaction(system("tests")) as session:
            session.execute(insert(IndexQueue).values(record_number=1, version=2, queued_at=queued_at))
    finding = _finding(tmp_path)
    assert bool(finding) is is_late
    if is_late:
        assert finding["say"]["en"].startswith("The index is behind: 1 records wait, the oldest for 7")
        assert "No process holds the role index" in finding["advice"]["en"]


def test_writes_that_elasticsearch_refuses_since_its_disk_was_full_are_found(
    tmp_path: Path, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _, name = elasticsearch_url.rpartition("/")
    settings = Settings(data=tmp_path, search_url=elasticsearch_url)
    service = load("catalog")
    with closing(service.open_database(settings)) as database, closing(Elasticsearch(root)) as client:
        resources = Resources(settings=settings, database=database, service=service)
        assert [finding.ok for finding in checks.search_disk(resources)] == [True]
        client.indices.create(index=f"{name}-1", settings={"index.blocks.read_only_allow_delete": True})
        [finding] = checks.search_disk(resources)
        assert (finding.ok, f"{name}-1" in finding.message.en) == (False, True)
        client.indices.delete(index=f"{name}-1")
        # Less than this is free on every disk.
        monkeypatch.setattr(checks, "MINIMUM_FREE_BYTES", 1 << 62)
        [finding] = checks.search_disk(resources)
        assert (finding.ok, "MB are free" in finding.message.en) == (False, True)


def test_a_wrong_line_of_the_library_s_vocabulary_is_named(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("baluik = belut\n", encoding="utf-8")
    service = load("catalog")
    settings = Settings(data=tmp_path, vocabulary=str(file))
    with closing(service.open_database(settings)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        assert [finding.ok for finding in checks.vocabulary(resources)] == [True]
        file.write_text("baluik = belut\nbaluik belut\n", encoding="utf-8")
        [finding] = checks.vocabulary(resources)
    assert (finding.ok, "line 2" in finding.message.en) == (False, True)


def _finding(data: Path) -> dict[str, Any]:
    findings = run(data, "doctor", "--json").line["findings"]
    return next((finding for finding in findings if finding["part"] == "catalog index" and not finding["ok"]), {})
