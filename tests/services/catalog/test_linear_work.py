"""The work for a text grows in proportion to its length: each text is given once, twice and four times as long."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from time import process_time

import orjson
import pytest

from services.catalog import texts
from services.catalog.analysis import tokens
from services.catalog.importing.decode import prepare
from services.catalog.items.parsing import MOST_PAIRS, items_of
from services.catalog.marc import iso2709, marc8, marcjson
from services.catalog.marc.faults import Frame
from services.catalog.marc.marcxml import NAMESPACE
from services.catalog.marc.readers import frames
from services.catalog.marc.record import Record
from services.catalog.record.brief import LONGEST, LONGEST_AUTHOR, MOST_AUTHORS, brief
from services.catalog.record.display import display
from services.catalog.search.query.parser import parse
from tests.builders import book
from tests.conftest import CHECKOUT

PAIR = "\u0301\u0316"  # marks above and below: normalisation sorts them
SHORTEST_SECONDS = 0.002  # below it, a measurement says nothing


def cost(work: Callable[[], object]) -> float:
    """Seconds of this process, the least of three runs."""
    seconds = []
    for _ in range(3):
        before = process_time()
        work()
        seconds.append(process_time() - before)
    return max(min(seconds), SHORTEST_SECONDS)


def assert_linear(shape: Callable[[int], Callable[[], object]], size: int) -> None:
    """shape: size -> the work on an input of this size. Linear work costs 2 and 4 times as much, quadratic 4 and 16."""
    once, twice, four_times = (cost(shape(size * factor)) for factor in (1, 2, 4))
    assert twice < 5 * once
    assert four_times < 10 * once


def _import(record: Record) -> Callable[[], object]:
    frame = Frame("json", 1, 0, marcjson.encode(record))
    return lambda: prepare("-", "PKS", [frame])


def _read(content: bytes) -> Callable[[], object]:
    return lambda: sum(1 for _ in frames(io.BytesIO(content)))


def _with_fields(*fields: list[str]) -> Record:
    return book("1", more=fields)


@pytest.mark.parametrize("tag", ["100", "245", "490", "505", "520", "650", "852"])
def test_marks_in_a_record(tag: str) -> None:
    code = "h" if tag == "852" else "a"
    assert_linear(lambda size: _import(_with_fields([tag, "1 ", code, "a" + PAIR * size])), 8_000)


@pytest.mark.parametrize("between", ["", "\u200b", "'", "\uff9e", "\u0f73"])
def test_marks_in_typed_and_stored_texts(between: str) -> None:
    assert_linear(lambda size: lambda: tokens("a" + (PAIR + between) * size), 16_000)
    assert_linear(lambda size: lambda: parse("a" + (PAIR + between) * size), 4_000)


def test_marks_in_marc8() -> None:
    def raw(size: int) -> bytes:
        return b"\xe2\xf2" * size + b"a"

    assert_linear(lambda size: lambda: tokens(marc8.decode(raw(size))), 16_000)
    assert_linear(lambda size: lambda: marc8.looks_like_latin1([raw(size)]), 16_000)


def test_no_normalisation_sees_more_than_thirty_marks_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0
    real = unicodedata.normalize

    def normalize(form: str, text: str) -> str:
        nonlocal longest
        decomposed = real("NFKD", text)
        run = 0
        for character in decomposed:
            run = run + 1 if unicodedata.combining(character) else 0
            longest = max(longest, run)
        return real(form, text)

    monkeypatch.setattr(texts.unicodedata, "normalize", normalize)
    marks = [chr(code) for code in range(0x300, 0x1F000) if unicodedata.combining(real("NFKD", chr(code))[0])]
    assert len(marks) > 800
    for separator in ("", "\u200b", "\u200d", "’", "\ufeff"):
        text = "a" + separator.join(mark * 5 for mark in marks)
        tokens(text)
        for start in range(0, len(text), 500):
            parse(text[start : start + 500])
    assert 0 < longest <= 4 * texts.MOST_MARKS  # one mark may decompose to several
    assert tokens("Nguye" + "\u0302\u0303" + "n") == ["nguyen"]


def test_texts_are_normalised_in_one_place() -> None:
    users = [
        str(path.relative_to(CHECKOUT))
        for package in ("services", "gateway", "chassis")
        for path in sorted(Path(CHECKOUT, package).rglob("*.py"))
        if re.search(r"unicodedata\.normalize|from unicodedata import|import unicodedata as", path.read_text())
    ]
    # Members refuses or removes runs of marks and cuts the text before it normalises it.
    own = {path for path in users if path.startswith("services/members/")}
    assert own <= {
        f"services/members/{name}.py" for name in ("commands", "people/names", "people/values", "sign_in/passwords")
    }
    # Texts of bounded length, or one letter at a time.
    bounded = {
        "chassis/output.py",
        "gateway/web/covers/card_png.py",
        "gateway/web/covers/cover_svg.py",
        "services/notifications/conversations/words.py",
        "services/notifications/templates/gsm.py",
    }
    assert set(users) - own == {"services/catalog/texts.py", *bounded}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(" ", id="blanks"),
        pytest.param("-", id="hyphens"),
        pytest.param("- ", id="single hyphens"),
        pytest.param("A.", id="initials"),
        pytest.param("a ", id="letters"),
        pytest.param("/ ", id="slashes"),
        pytest.param("1 ", id="digits"),
    ],
)
def test_one_long_text_in_many_fields(text: str) -> None:
    def record(size: int) -> Record:
        value = "x" + text * size + "y"
        parts = [part for code in "abct" for part in (code, value)]
        return Record(fields=[["245", "10", *parts], *([tag, "1 ", *parts] for tag in ("100", "505", "500", "490"))])

    assert_linear(lambda size: _import(record(size)), 10_000)
    assert_linear(lambda size: lambda: display(record(size)), 10_000)


def test_many_different_notes() -> None:
    def record(size: int) -> Record:
        return Record(fields=[["500", "  ", "a", f"Catatan {number}"] for number in range(size)])

    assert_linear(lambda size: lambda: display(record(size)), 1_000)


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("tag", ["863", "866", "876"])
def test_holdings_and_their_items_are_paired(tag: str, same: bool) -> None:
    def record(size: int) -> Record:
        fields: list[list[str]] = []
        for number in range(size):
            link = "1" if same else str(number)
            fields += [["852", "  ", "8", link, "b", "PST", "h", "813"], ["853", "  ", "8", link, "a", "Vol."]]
            fields.append([tag, "  ", "8", f"{link}.1", "a", "2", "p", f"B{number}"])
        return Record(fields=fields)

    assert_linear(lambda size: lambda: items_of(record(size)), 400)
    assert len(items_of(record(100))) <= 100 * (MOST_PAIRS + 1)


@pytest.mark.parametrize("start", [b"{}", b"<collection/>", b"00000"])
def test_blanks_before_a_file(start: bytes) -> None:
    assert_linear(lambda size: _read(b" " * size + start), 4_000_000)
    assert_linear(lambda size: _read(b"\r\n" * (size // 2) + start), 1_000_000)


@pytest.mark.parametrize("before", [b"[", b"<collection>", iso2709.encode(book("1"))])
def test_blanks_inside_a_file(before: bytes) -> None:
    assert_linear(lambda size: _read(before + b" " * size), 4_000_000)


def test_namespaces_of_a_file() -> None:
    declarations = "".join(f' xmlns:n{number}="u"' for number in range(2_000))

    def many_on_one_element(size: int) -> bytes:
        attributes = "".join(f" xmlns:n{number}='u{number}'" for number in range(size))
        return f"<collection{attributes}/>".encode()

    def many_elements(size: int) -> bytes:
        elements = "<e xmlns:m='v'/>" * size
        return f"<collection{declarations}>{elements}</collection>".encode()

    assert_linear(lambda size: _read(many_on_one_element(size)), 1_000)
    assert_linear(lambda size: _read(many_elements(size)), 1_000)


def test_an_inner_namespace_hides_the_outer_one() -> None:
    content = f'<a xmlns="u" xmlns:m="{NAMESPACE}"><b xmlns="v"><m:record/><record/></b><record/></a>'
    assert [frame.namespace for frame in frames(io.BytesIO(content.encode()))] == [NAMESPACE, "v", "u"]


def test_texts_of_lists_are_bounded_and_the_record_keeps_them() -> None:
    title = "surau " * 650_000
    names = [["700", "1 ", "a", f"Pengarang {number} {'x' * 300}"] for number in range(1_000)]
    record = Record(
        fields=[
            ["245", "10", "a", title, "b", title, "c", title],
            ["264", " 1", "a", title, "b", title],
            ["250", "  ", "a", title],
            ["490", "0 ", "a", title],
            ["082", "  ", "a", "8" * 100_000],
            ["520", "  ", "a", title],
            *names,
        ]
    )
    short = brief(record)
    assert len(orjson.dumps(short)) < 20_000
    assert len(short["authors"]) == MOST_AUTHORS
    assert max(map(len, short["authors"])) == LONGEST_AUTHOR
    for name, longest in LONGEST.items():
        assert len(short[name]) <= longest
        assert short[name].endswith("…")
    assert short["title"].endswith("surau…")
    full = display(record)
    assert full["title"] == title.strip()
    assert len(full["authors"]) == 1_000


@pytest.mark.parametrize(
    ("text", "longest", "shortened"),
    [
        ("Robohnya surau kami", 19, "Robohnya surau kami"),
        ("Robohnya surau kami", 18, "Robohnya surau…"),
        ("Robohnya surau, kami", 16, "Robohnya surau…"),
        ("Robohnyasuraukami", 10, "Robohnyas…"),
    ],
)
def test_a_text_is_cut_at_a_word(text: str, longest: int, shortened: str) -> None:
    assert texts.shorten(text, longest) == shortened
