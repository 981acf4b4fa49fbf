"""`rangkiang works` as an operator types it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.builders import book, iso
from tests.services.catalog.commands.running import prepare, run


def test_works_are_shown_split_and_joined(tmp_path: Path) -> None:
    data = prepare(tmp_path / "var")
    editions = [book(number, "Kemarau", year=year) for number, year in (("1", "1957"), ("2", "1967"), ("3", "1992"))]
    run(
        data,
        "import",
        "-",
        "--source",
        "TEST",
        "--new-source",
        "--json",
        stdin=iso([*editions, book("4", "Hujan panas")]),
    )
    lines = run(data, "export", "--format", "brief").out.splitlines()
    first, second, _third, other = (json.loads(line)["id"] for line in lines)

    shown = run(data, "works", "show", first, "--json").line
    assert [edition["year"] for edition in shown["editions"]] == [1992, 1967, 1957]
    assert {edition["score"] for edition in shown["editions"]} == {95}
    assert "Pengarang dan judul sama" in run(data, "works", "show", shown["id"]).out.decode()

    split = run(data, "works", "split", second, "--reason", "naskah lain", "--json")
    assert (split.code, split.line["moved"]) == (0, 1)
    joined = run(data, "works", "join", other, shown["id"], "--reason", "judul edisi pertama", "--json")
    assert (joined.code, joined.line) == (0, {"work": shown["id"], "moved": 1})
    (ruled,) = [
        edition for edition in run(data, "works", "show", first, "--json").line["editions"] if edition["id"] == other
    ]
    assert ruled["reasons"][0]["id"] == "Ditetapkan pustakawan: judul edisi pertama"

    refused = run(data, "works", "split", second, "--reason", "lagi")
    assert refused.code == 2
    assert "the only one of its work" in refused.errors
