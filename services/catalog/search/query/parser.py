"""The query parser: recursive descent over the characters of a text."""

from __future__ import annotations

import re
from dataclasses import replace

from services.catalog.analysis import isbn13, spell_out, squeeze, tokens
from services.catalog.search.query.fields import FIELDS, NUMBERS, WORDS, read_value, year_range
from services.catalog.search.query.tree import AnyOf, Identifier, Isbn, Part, Phrase, Query, Word
from services.catalog.texts import normalize

MOST_DEPTH = 5  # nested brackets

_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»❝❞〝〞＂", '"'))
_ISBN = re.compile(
    r"(?:isbn(?:[\s\-]?1[03])?[\s:]*)?((?:97[89][\s.\-–—‐‑]*)?(?:\d[\s.\-–—‐‑]*){9}[\dx])(?!\w)", re.IGNORECASE
)
# A range of years is one word: only punctuation may follow it before the next space.
_RANGE = re.compile(r"(?=\d|\.\.\d)(\d{4})?\.\.(\d{4})?(?=(?:[^\w+#*\s\"()|]|_)*(?:[\s\"()|]|\Z))")
_FIELD = re.compile(rf"({'|'.join(sorted(FIELDS, key=len, reverse=True))}):(\s*)", re.IGNORECASE)
_CHUNK = re.compile(r'[^\s"()|]+')
_LEAD = re.compile(r"(?:[^\w\"()|]|_)+")
_TAIL = re.compile(r"(?:[^\w+#*]|_)+\Z")
_STAR_TAIL = re.compile(r"(?:[^\w+#]|_)+\Z")
_OR = frozenset(("OR", "ATAU"))
_PLAIN = re.compile(r"[^\W\d_]+(?: +[^\W\d_]+)*\Z")
_OR_WORDS = re.compile(r"(?<![^\W_])(OR|ATAU)(?![^\W_])")
_SIGNS = re.compile(r'[()|"*]')
_MINUS = re.compile(r"(?<!\S)-+")
_ANY_FIELD = re.compile(rf"(?<![^\W_])({'|'.join(FIELDS)}):", re.IGNORECASE)


def parse(text: str) -> Query:
    """Parse a text; never fails. `parse(str(query)) == query` for every parsed query."""
    if text.isascii() and _PLAIN.match(text):
        words = text.split()  # most queries
        if _OR.isdisjoint(words):
            return Query(tuple(map(Word, words)))
    text = normalize("NFC", text).translate(_QUOTES)
    query = _parse_text(text)
    if sum(map(str.isdigit, text)) >= 10:
        # str() has removed punctuation between digits, so the text may have an ISBN now.
        query = replace(_parse_text(str(query)), read_as_words=query.read_as_words)
    return query


def depth(text: str) -> int:
    """Return the depth of nested brackets, without those in quotes."""
    deepest = open_brackets = 0
    for at, piece in enumerate(text.translate(_QUOTES).split('"')):
        if at % 2 == 0:
            for sign in piece:
                open_brackets = max(0, open_brackets + (sign == "(") - (sign == ")"))
                deepest = max(deepest, open_brackets)
    return deepest


class _Unreadable(Exception):
    """The text is not a valid query; raised and caught only in this module."""


def _parse_text(text: str) -> Query:
    try:
        if depth(text) > MOST_DEPTH:
            raise _Unreadable
        return _Parser(text).query()
    except _Unreadable:
        if "|" not in text and not _OR_WORDS.search(text) and "-(" not in text:
            # Brackets without OR and exclusion are punctuation, as in a copied title.
            return _Parser(re.sub(r"[()]", " ", text)).query()
    plain = _OR_WORDS.sub(lambda operator: operator.group().lower(), text)
    plain = _MINUS.sub(" ", _SIGNS.sub(" ", _ANY_FIELD.sub(r"\1 ", plain)))
    return replace(_Parser(plain).query(), read_as_words=True)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._field = ""  # of the current brackets
        self._as_words = False

    def query(self) -> Query:
        """Parse the whole text. Raises _Unreadable."""
        choices = self._either()
        if self._at < len(self._text):
            raise _Unreadable  # an unmatched bracket
        query = choices[0] if len(choices) == 1 else Query((AnyOf(tuple(choices)),))
        return replace(query, read_as_words=True) if self._as_words else query

    def _either(self) -> list[Query]:
        choices = [self._all()]
        while self._or():
            choices.append(self._all())
        if len(choices) > 1 and not all(choice.parts or choice.without for choice in choices):
            raise _Unreadable
        return choices

    def _all(self) -> Query:
        parts: list[Part] = []
        without: list[Part] = []
        text = self._text
        while self._skip('"-()|') and text[self._at] not in ")|" and not self._is_or():
            if text[self._at] != "-":
                self._part(parts, without)
                continue
            self._at += 1
            adjacent = self._at < len(text) and not text[self._at].isspace()
            if adjacent and self._skip('"()|') and text[self._at] not in ")|":
                self._excluded(without)
        return Query(tuple(parts), tuple(without))

    def _part(self, parts: list[Part], without: list[Part]) -> None:
        choices = self._brackets()
        if choices is None:
            parts.extend(self._one())
        elif len(choices) == 1:
            parts.extend(choices[0].parts)
            without.extend(choices[0].without)
        else:
            parts.append(AnyOf(tuple(choices)))

    def _excluded(self, without: list[Part]) -> None:
        choices = self._brackets()
        if choices is None:
            without.extend(self._one())
        elif len(choices) == 1 and not choices[0].without and len(choices[0].parts) == 1:
            without.append(choices[0].parts[0])
        elif choices[0].parts or choices[0].without:
            without.append(AnyOf(tuple(choices)))

    def _brackets(self) -> list[Query] | None:
        """Parse brackets, perhaps after a field, which then applies to every word in them without a field."""
        field_match = _FIELD.match(self._text, self._at)
        field = FIELDS[field_match.group(1).lower()] if field_match is not None else self._field
        start = field_match.end() if field_match is not None and field in WORDS else self._at
        if self._text[start : start + 1] != "(":
            return None
        self._at = start + 1
        outer_field, self._field = self._field, field
        choices = self._either()
        if self._at == len(self._text) or self._text[self._at] != ")":
            raise _Unreadable
        self._at += 1
        self._field = outer_field
        return choices

    def _skip(self, stop: str) -> bool:
        """Skip to the next word, range of years or character of `stop`; False at the end."""
        text = self._text
        while self._at < len(text):
            sign = text[self._at]
            if sign in stop or not (_LEAD.match(sign) or sign in '"()|') or _RANGE.match(text, self._at):
                return True
            self._at += 1
        return False

    def _is_or(self) -> bool:
        chunk = _CHUNK.match(self._text, self._at)
        return chunk is not None and _TAIL.sub("", chunk.group()) in _OR

    def _or(self) -> bool:
        """Skip an OR at the current position. Returns False when there is none."""
        text = self._text
        if self._at == len(text):
            return False
        if text[self._at] == "|":
            while text[self._at : self._at + 1] == "|":
                self._at += 1
            return True
        chunk = _CHUNK.match(text, self._at)
        if chunk is None or not self._is_or():
            return False
        self._at = chunk.end()
        return True

    def _one(self) -> list[Part]:
        """Parse one part. Returns several parts for a text that only looks like a field or a number."""
        text, at = self._text, self._at
        if text[at] == '"':
            return self._phrase(self._field)
        if (number := _ISBN.match(text, at)) and (isbn := isbn13(number.group(1))):
            self._at = number.end()
            typed = squeeze(number.group(1)) if number.start(1) == at else ""
            return [Isbn(isbn, typed if len(typed) == 10 else "")]
        if span := _RANGE.match(text, at):
            self._at = span.end()
            return [year_range(span.group(1), span.group(2))]
        field_match = _FIELD.match(text, at)
        if field_match is None:
            return self._words(self._field)
        self._at = field_match.end()
        return self._fielded(FIELDS[field_match.group(1).lower()]) or self._unfielded(field_match)

    def _unfielded(self, field_match: re.Match[str]) -> list[Part]:
        """Read a field without a valid value as a word; set read_as_words if text follows the colon directly."""
        next_character = self._text[field_match.end() : field_match.end() + 1]
        self._as_words |= (
            not field_match.group(2)
            and bool(next_character)
            and not next_character.isspace()
            and next_character not in '")|'
        )
        self._at = field_match.end()
        return [Word(field_match.group(1), self._field)]

    def _fielded(self, field: str) -> list[Part] | None:
        text = self._text
        if field == "isbn" or field in NUMBERS:
            return self._number(field)
        if field not in WORDS:
            value = read_value(text, self._at, field)
            if value is None:
                return None
            self._at = value[1]
            return [value[0]]
        return self._phrase(field) if text[self._at : self._at + 1] == '"' else self._words(field)

    def _number(self, field: str) -> list[Part] | None:
        if self._text[self._at : self._at + 1] == '"':
            texts = [part.text for part in self._phrase("") if isinstance(part, Phrase)]
        else:
            texts = [part.text for part in self._word("") if isinstance(part, Word)]
        number = squeeze(texts[0]) if texts else ""
        if not number:
            return None
        return [Isbn(isbn13(texts[0]) or number) if field == "isbn" else Identifier(field, number)]

    def _phrase(self, field: str) -> list[Part]:
        text, at = self._text, self._at
        end = text.find('"', at + 1)
        content = text[at + 1 : end if end >= 0 else len(text)]
        self._at = end + 1 if end >= 0 else len(text)
        words = " ".join(content.split())
        return [Phrase(words, field)] if tokens(words) else []

    def _words(self, field: str) -> list[Part]:
        """Parse a word; a word written with a 2 is two words: ayat2 is ayat ayat."""
        parts = self._word(field)
        if len(parts) == 1 and isinstance(word := parts[0], Word) and not word.prefix:
            texts = spell_out(word.text).split()
            # ATAU2 is the word twice; in capitals, str() would print two operators.
            return [replace(word, text=text.lower() if text in _OR else text) for text in texts]
        return parts

    def _word(self, field: str) -> list[Part]:
        chunk = _CHUNK.match(self._text, self._at)
        if chunk is None:
            return []
        self._at = chunk.end()
        lead = _LEAD.match(chunk.group())
        word = _TAIL.sub("", chunk.group()[lead.end() if lead else 0 :])
        prefix = word.endswith("*")
        word = _STAR_TAIL.sub("", word) if prefix else word
        return [Word(word, field, prefix)] if tokens(word) else []
