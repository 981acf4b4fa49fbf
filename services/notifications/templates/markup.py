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
from typing import Literal

VALUE_BEGINS, VALUE_ENDS = "\ue000", "\ue001"
_VALUE = re.compile(f"{VALUE_BEGINS}([0-9]+){VALUE_ENDS}")
_INLINE = re.compile(
    r"\\(?P<char>[\\*\[\]#-])|\*\*(?P<bold>[^*\n]+)\*\*|\[(?P<label>[^\[\]\n]+)\]\((?P<address>[^()\s]+)\)"
)
_ADDRESS = re.compile(r"(?:https?://[^\s<>\"'\\]+|mailto:[^\s<>\"'\\]+|tel:[+0-9-]+)", re.IGNORECASE)
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


def fill(text: str, values: Sequence[str]) -> str:
    """Return a text, such as a subject, with its values."""
    return "".join(part for part, _ in _filled(text, values))


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


def _spans(line: str, values: Sequence[str]) -> Iterator[Span]:
    plain, end = "", 0
    for match in _INLINE.finditer(line):
        plain += line[end : match.start()]
        end = match.end()
        if char := match["char"]:
            plain += char
            continue
        if parts := _filled(plain, values):
            yield Span(parts)
        plain = ""
        if bold := match["bold"]:
            yield Span(_filled(bold, values), is_bold=True)
        # A button without an address, such as for a loan that cannot be renewed, is not shown.
        elif address := fill(match["address"], values):
            label = _filled(match["label"], values)
            yield Span(label, address=address if is_address(address) else "", is_link=True)
    if parts := _filled(plain + line[end:], values):
        yield Span(parts)


def _filled(text: str, values: Sequence[str]) -> tuple[tuple[str, bool], ...]:
    """Return the parts of a text: (text, is_value), without empty ones."""
    pieces = enumerate(_VALUE.split(text))
    filled = [(values[int(piece)], True) if place % 2 else (piece, False) for place, piece in pieces]
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
