"""The markup of templates: one source for plain text, WhatsApp and HTML.

    # Words           a heading
    - Words           an entry of a list
    Words             a paragraph; its lines stay lines, and an empty line ends it
    **words**         bold
    [words](address)  a link; alone on its line, a button
    \\*                the character itself

A rendered template has a number in place of each value, between two characters that no text may contain. So only the
text of the template is parsed as markup, and never a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Literal

from markupsafe import escape

VALUE_BEGINS, VALUE_ENDS = "\ue000", "\ue001"
_VALUE = re.compile(f"{VALUE_BEGINS}([0-9]+){VALUE_ENDS}")
_INLINE = re.compile(
    r"\\(?P<char>[\\*\[\]#-])|\*\*(?P<bold>[^*\n]+)\*\*|\[(?P<label>[^\[\]\n]+)\]\((?P<address>[^()\s]+)\)"
)
_ADDRESS = re.compile(r"(?:https?://[^\s<>\"'\\]+|mailto:[^\s<>\"'\\]+|tel:[+0-9-]+)", re.IGNORECASE)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
# WhatsApp uses these characters for formatting, so values get their full-width forms instead.
_WHATSAPP = str.maketrans({"*": "\uff0a", "_": "\uff3f", "~": "\uff5e", "`": "\uff40"})

BlockKind = Literal["heading", "item", "paragraph", "button"]


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a line, with the values in place.

    parts  (text, is_value) in order: texts of the template, and values
    """

    parts: tuple[tuple[str, bool], ...]
    is_bold: bool = False
    address: str = ""
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    kind: BlockKind
    lines: tuple[tuple[Span, ...], ...]


def is_address(text: str) -> bool:
    """Return whether a link may have this address: http, https, mailto or tel."""
    return _ADDRESS.fullmatch(text) is not None


def parse(text: str, values: Sequence[str]) -> list[Block]:
    """Parse a rendered text. values: the values for its numbers."""
    blocks: list[Block] = []
    paragraph: list[tuple[Span, ...]] = []

    def end_paragraph() -> None:
        if paragraph:
            blocks.append(Block("paragraph", tuple(paragraph)))
            paragraph.clear()

    for line in (line.strip() for line in text.split("\n")):
        if not line:
            end_paragraph()
            continue
        kind: BlockKind | None = "heading" if line.startswith("# ") else "item" if line.startswith("- ") else None
        spans = tuple(_spans(line[2:] if kind else line, values))
        if kind is None and len(spans) == 1 and spans[0].address:
            kind = "button"
        if kind is not None:
            end_paragraph()
        if not spans:
            continue  # also for a button without an address
        if kind is not None:
            blocks.append(Block(kind, (spans,)))
        else:
            paragraph.append(spans)
    end_paragraph()
    return blocks


def numbered(number: int) -> str:
    """Return what stands for the value with this number."""
    return f"{VALUE_BEGINS}{number}{VALUE_ENDS}"


def split_numbered(text: str) -> list[str]:
    """Return the texts and the numbers of values in turn: text, number, text …"""
    return _VALUE.split(text)


def fill(text: str, values: Sequence[str]) -> str:
    """Return a text, such as a subject, with its values."""
    return "".join(part for part, _ in _filled(_numbered(text), values))


def links(blocks: Sequence[Block]) -> Iterator[Span]:
    """Yield the links, including links with a refused address, which are shown as text."""
    for block in blocks:
        for line in block.lines:
            yield from (span for span in line if span.is_link)


def as_text(blocks: Sequence[Block]) -> str:
    """Return plain text: blocks separated by an empty line, and each entry of a list on its own line."""
    return _as_lines(blocks, lambda part, _: part, lambda words: words)


def as_whatsapp(blocks: Sequence[Block]) -> str:
    """Return text for WhatsApp: *bold*, and values without characters for formatting."""
    return _as_lines(blocks, lambda part, is_value: part.translate(_WHATSAPP) if is_value else part, _starred)


def as_html(blocks: Sequence[Block], *, keep: Callable[[str], str]) -> str:
    """Return HTML elements; every text is escaped here.

    keep  takes a value in HTML, and returns what is written in its place
    """
    pieces: list[str] = []
    for kind, group in groupby(blocks, lambda block: block.kind):
        bodies = ["<br>".join("".join(_html(span, keep) for span in line) for line in block.lines) for block in group]
        if kind == "item":
            pieces.append(f"<ul>{''.join(f'<li>{body}</li>' for body in bodies)}</ul>")
        elif kind == "heading":
            pieces += [f"<h2>{body}</h2>" for body in bodies]
        else:
            name = ' class="act"' if kind == "button" else ""
            pieces += [f"<p{name}>{body}</p>" for body in bodies]
    return "\n".join(pieces)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A part of a line before its values are in place: texts, and numbers of values.

    address  only for a link
    """

    parts: tuple[str | int, ...]
    is_bold: bool = False
    address: tuple[str | int, ...] | None = None


@lru_cache(maxsize=1024)
def _marks(line: str) -> tuple[_Mark, ...]:
    """Parse a line. Its values are numbers, so all notices of a template have the same lines."""
    marks: list[_Mark] = []
    plain: tuple[str | int, ...] = ()
    end = 0
    for match in _INLINE.finditer(line):
        plain += _numbered(line[end : match.start()])
        end = match.end()
        if char := match["char"]:
            plain += (char,)
            continue
        marks.append(_Mark(plain))
        plain = ()
        if bold := match["bold"]:
            marks.append(_Mark(_numbered(bold), is_bold=True))
        else:
            marks.append(_Mark(_numbered(match["label"]), address=_numbered(match["address"])))
    return (*marks, _Mark(plain + _numbered(line[end:])))


def _numbered(text: str) -> tuple[str | int, ...]:
    pieces = split_numbered(text)
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces) if piece)


def _spans(line: str, values: Sequence[str]) -> Iterator[Span]:
    for mark in _marks(line):
        parts = _filled(mark.parts, values)
        if mark.address is not None:
            address = "".join(part for part, _ in _filled(mark.address, values))
            # A button without an address, such as for a loan that cannot be renewed, is not shown.
            if address:
                yield Span(parts, address=address if is_address(address) else "", is_link=True)
        elif parts or mark.is_bold:
            yield Span(parts, is_bold=mark.is_bold)


def _filled(parts: Sequence[str | int], values: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    filled = [(values[part], True) if isinstance(part, int) else (part, False) for part in parts]
    return tuple(part for part in filled if part[0])


def _as_lines(blocks: Sequence[Block], write: Callable[[str, bool], str], embolden: Callable[[str], str]) -> str:
    def words(span: Span) -> str:
        text = "".join(write(part, is_value) for part, is_value in span.parts)
        if span.is_bold:
            return embolden(text)
        if not span.address or span.address == text:
            return text
        return f"{text}: {span.address.removeprefix('mailto:').removeprefix('tel:')}"

    pieces: list[str] = []
    before: BlockKind | None = None
    for block in blocks:
        body = "\n".join("".join(map(words, line)).strip() for line in block.lines)
        if block.kind == "heading":
            body = embolden(body)
        elif block.kind == "item":
            body = f"- {body}"
        if pieces:
            pieces.append("\n" if before == block.kind == "item" else "\n\n")
        pieces.append(body)
        before = block.kind
    return "".join(pieces)


def _starred(words: str) -> str:
    stripped = words.strip()
    return f"*{stripped}*" if stripped else words


def _html(span: Span, keep: Callable[[str], str]) -> str:
    text = "".join(keep(_directed(part)) if is_value else _escaped(part) for part, is_value in span.parts)
    if span.is_bold:
        return f"<strong>{text}</strong>"
    return f'<a href="{keep(str(escape(span.address)))}">{text}</a>' if span.address else text


@lru_cache(maxsize=1024)
def _escaped(text: str) -> str:
    """Return a text of a template in HTML."""
    return str(escape(text))


def _directed(value: str) -> str:
    """Return a value in HTML. Right-to-left text is isolated, so that it does not change the order of other words."""
    text = str(escape(value))
    return f'<span dir="auto">{text}</span>' if _RIGHT_TO_LEFT.search(value) else text
