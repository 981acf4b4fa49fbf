"""Sound MARC 21 records of every kind of material, from a seed: a table of fields, filled with text in many scripts."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from bench.generate import isbn
from services.catalog.marc.record import Field, Record
from tests.corpus.words import (
    BODIES,
    DATES,
    EXTENTS,
    NAMES,
    ODD_VALUES,
    PLACES,
    PUBLISHERS,
    SCRIPTS,
)

SEED: Final = 20261126
# leader/06-07 of MARC 21, and 008/18-34 of that kind of material.
KINDS: Final = (
    ("am", "a     b    001 0 "), ("am", "    j      000 f "), ("am", "ao  e d   1001 0d"), ("as", "ar p       0   a0"),
    ("ai", "ku  o     0    2 "), ("ab", "                 "), ("tm", "     bm   000 0 "), ("cm", "sga     n    c   n"),
    ("dm", "uua          zn  "), ("em", "b  cf   a  f 1   "), ("fm", "                 "), ("gm", "092 g          vl"),
    ("im", "nnn   h          "), ("jm", "ppn           n  "), ("km", "nnn  c         kc"), ("mm", "        d        "),
    ("oc", "                 "), ("pc", "                 "), ("rm", "nnn  g         wc"), ("ac", "                 "),
)  # fmt: skip
# A line a tag: tag, share of the records that have it, most of it in one record, indicators (one is chosen), subfields.
# A subfield is code:filler; with ? it may be missing, with * it may come more than once.
TABLE: Final = """
010 .2 1 __         a:number z:number?
020 .6 3 __         a:isbn q:words? c:words? z:isbn?
022 .1 1 0_,__      a:issn y:issn? z:issn?
024 .2 2 7_,1_,8_,3_ a:number 2:code?
027 .02 1 __        a:number
028 .1 1 02,32,22   a:number b:words
035 .6 3 __         a:control z:number?
037 .05 1 __        a:number b:words
040 .9 1 __         a:code b:language e:code? c:code d:code*
041 .3 1 0_,1_,07   a:language* b:language? h:language? g:language? f:language?
043 .3 1 __         a:area*
050 .4 1 00,_4      a:number b:number?
055 .03 1 __        a:number
060 .05 1 __        a:number b:number?
080 .05 1 __        a:number
082 .6 2 04,00,74   a:class 2:edition?
084 .1 1 __         a:number 2:code
086 .05 1 0_,__     a:number
100 .6 1 1_,0_,3_   a:name q:words? b:words? c:words? d:dates? e:role* 4:relator* u:words? 0:number?
110 .1 1 2_,1_      a:body b:body* e:role?
111 .05 1 2_        a:body n:number? d:dates? c:place? e:words? j:role?
130 .05 1 0_,4_     a:title l:words? f:year? p:words?
210 .03 1 0_        a:title
240 .15 1 10,14     a:title k:words? l:words? n:number? p:words? f:year?
242 .03 1 00        a:title c:words y:language
245 1 1 10,00,14,12,04 a:title n:number? p:words? b:words? h:words? c:statement?
246 .3 3 3_,1_,30,_4 i:words? a:title b:words? f:year?
250 .3 1 __         a:words b:words?
255 .05 2 __        a:words b:words? c:words?
260 .4 2 __,3_      a:place* b:publisher* c:date? e:place? f:publisher? g:date?
264 .5 2 _1,_4,_0,_2,_3 a:place? b:publisher? c:date
300 .9 2 __         a:extent b:words? c:words? e:words?
306 .05 1 __        a:number
310 .1 1 __         a:words b:date?
336 .5 2 __         a:words b:code 2:code
337 .5 1 __         a:words b:code 2:code
338 .5 1 __         a:words b:code 2:code
362 .1 1 0_,1_      a:words
440 .05 1 _0,_4     a:title v:number? x:issn?
490 .3 2 1_,0_      a:title v:number? x:issn?
500 .5 4 __         a:sentence
501 .02 1 __        a:sentence
502 .1 1 __         a:words b:words? c:body? d:year?
504 .3 1 __         a:words b:number?
505 .2 2 0_,00      a:long t:title* r:name* g:number?
506 .1 1 __,0_      a:sentence
508 .05 1 __        a:sentence
511 .05 1 0_        a:name*
515 .03 1 __        a:words
518 .04 1 __        a:words d:date? p:place?
520 .5 2 __,3_,2_,1_ a:sentence b:long?
521 .2 1 __,1_      a:words b:words?
524 .02 1 __        a:words
530 .05 1 __        a:words
533 .04 1 __        a:words b:place? c:publisher? d:date?
534 .03 1 __        p:words a:name? t:title? c:words? n:words?
535 .02 1 1_        a:words
536 .02 1 __        a:words
538 .1 1 __         a:sentence
540 .1 1 __         a:sentence u:url?
541 .03 1 1_,0_     a:words c:words?
545 .04 1 0_        a:sentence
546 .2 1 __         a:words b:words?
550 .03 1 __        a:words
555 .02 1 0_        a:words
561 .03 1 __        a:words
580 .03 1 __        a:words
583 .02 1 1_        a:words
586 .04 1 __        a:words
590 .1 1 __         a:words
600 .2 2 10,14,17,30 a:name d:dates? t:title? x:words? v:words? 2:code?
610 .1 1 20,10,27   a:body b:words? t:title? v:words?
611 .03 1 20        a:body d:dates? c:place?
630 .04 1 00,04     a:title l:words? x:words?
648 .03 1 _7        a:words 2:code
650 .8 5 _0,_4,_7,_1,_2,_6 a:words b:words? x:words* y:date? z:place* v:words? 2:code?
651 .2 2 _0,_4      a:place x:words* y:date? v:words?
653 .2 3 __,0_      a:words*
655 .3 2 _7,_4,_0   a:words v:words? 2:code?
656 .02 1 _7        a:words 2:code
662 .02 1 __        a:place b:place? d:place?
700 .4 4 1_,12,0_   a:name q:words? d:dates? e:role* 4:relator* t:title? l:words? i:words?
710 .2 2 2_,22      a:body b:body? e:role? t:title?
711 .04 1 2_        a:body n:number? d:dates? c:place?
720 .03 1 1_,__     a:name e:role?
730 .05 1 0_,02     a:title l:words? x:issn?
740 .04 1 0_,02     a:title
751 .02 1 __        a:place
752 .05 1 __        a:place b:place? c:place? d:place? f:place? h:place?
760 .02 1 0_        t:title x:issn?
765 .02 1 0_        a:name? t:title
770 .02 1 0_        t:title g:words?
773 .15 2 0_,08     i:words? a:name? t:title d:words? g:words? x:issn? z:isbn? w:control?
776 .1 1 08,1_      i:words? t:title c:words? z:isbn? w:control?
780 .08 1 00,02     t:title x:issn? g:date?
785 .08 1 00,07     s:title x:issn?
786 .02 1 0_        o:words t:title
787 .02 1 08        i:words t:title
800 .04 1 1_        a:name t:title v:number?
810 .03 1 2_        a:body t:title v:number?
830 .2 2 _0,_4      a:title v:number? x:issn?
852 .6 4 __,0_,8_   a:words? b:branch c:words? h:class i:words? p:barcode t:number?
856 .3 3 40,41,4_,__ u:url q:words? 3:words? y:words? z:words?
876 .1 2 __         p:barcode j:words? t:number?
900 .1 2 __,99      a:words x:odd*
952 .2 4 __         a:branch b:branch o:class? p:barcode y:code?
999 .2 2 __,ff      a:number x:odd? i:odd?
LKR .05 2 __        a:code b:number n:words?
CAT .1 3 __         a:code c:number l:code
"""


class Rule(NamedTuple):
    """A line of TABLE; subfields are code, filler and `?`, `*` or ""."""

    tag: str
    share: float
    most: int
    indicators: list[str]
    subfields: list[tuple[str, str, str]]


def _rules() -> list[Rule]:
    rules = []
    for line in TABLE.strip().splitlines():
        tag, share, most, indicators, *codes = line.split()
        subfields = []
        for item in codes:
            code, _, filler = item.partition(":")
            mark = filler[-1] if filler[-1] in "?*" else ""
            subfields.append((code, filler.rstrip("?*"), mark))
        rules.append(Rule(tag, float(share), int(most), indicators.replace("_", " ").split(","), subfields))
    return rules


RULES: Final = _rules()
# One in so many data values is an odd one, one in so many records has a field of thousands of bytes.
ODD_SHARE: Final = 0.02
LONG_SHARE: Final = 0.1


class _Maker:
    """Builds one record."""

    def __init__(self, rng: random.Random, number: int, language: str) -> None:
        self.rng, self.number, self.language = rng, number, language
        self.script = SCRIPTS[language]
        pick = rng.choice
        self.fillers: dict[str, Callable[[], str]] = {
            "words": lambda: self._words(1, 4),
            "title": lambda: self._words(2, 7) + pick(("", " /", " :", ".", " =", " ;")),
            "statement": lambda: f"{pick(NAMES)} ; {self._words(1, 3)}.",
            "sentence": lambda: self._words(5, 40).capitalize() + ".",
            "long": self._long,
            "name": lambda: pick(NAMES),
            "body": lambda: pick(BODIES),
            "place": lambda: pick(PLACES) + pick(("", " :", ".")),
            "publisher": lambda: pick(PUBLISHERS) + pick(("", ",")),
            "date": lambda: pick(DATES),
            "dates": lambda: pick(("1924-2003,", "1908-", "d. 1111", "ca. 980-1037.", "active 15th century")),
            "year": lambda: str(rng.randint(1450, 2026)),
            "extent": lambda: pick(EXTENTS),
            "isbn": lambda: isbn(rng.randrange(10_000)) + pick(("", "", " (jil. 2)", " :")),
            "issn": lambda: f"{rng.randrange(10_000):04d}-{rng.randrange(10_000):04d}",
            "number": lambda: pick(("no. ", "", "QA", "ML 3 ", "v.")) + str(rng.randrange(1_000_000)),
            "control": lambda: pick(("(OCoLC)", "(DE-599)", "", "(RK)ocm")) + str(rng.randrange(1_000_000)),
            "class": lambda: pick(("899.221", "2X4.1", "297", "[Fic]", "813/.54", f"{rng.randrange(1000):03d}")),
            "edition": lambda: pick(("23", "22", "23/ind", "Klasifikasi Islam 2X")),
            "code": lambda: pick(("rda", "DLC", "PKS", "ind", "txt", "n", "local", "lcgft")),
            "language": lambda: pick((language, "ind", "eng", "engfre", "und", "zxx", "")),
            "area": lambda: pick(("a-io---", "e-gx---", "n-us-ny")),
            "role": lambda: pick(("pengarang.", "editor,", "penerjemah", "illustrator.")),
            "relator": lambda: pick(("aut", "edt", "http://id.loc.gov/vocabulary/relators/trl")),
            "branch": lambda: pick(("PST", "TJH", "KLL", "XX YY", "")),
            "barcode": lambda: f"K{number:06d}{rng.randrange(100):02d}",
            "url": lambda: pick(("https://example.org/", "http://example.org/a?b=1&c=2#", "ftp://x/", "not a link"))
            + str(number),
            "odd": lambda: pick(ODD_VALUES),
        }  # fmt: skip

    def _words(self, minimum: int, maximum: int) -> str:
        return " ".join(self.rng.choices(self.script.words, k=self.rng.randint(minimum, maximum)))

    def _long(self) -> str:
        """Up to 9,000 bytes, so that the field still fits ISO 2709."""
        text = self._words(30, 60)
        if self.rng.random() < LONG_SHARE:
            text = " -- ".join([text] * (8_000 // len(text.encode())))
        return text

    def field(self, rule: Rule) -> Field:
        rng = self.rng
        field: Field = [rule.tag, rng.choice(rule.indicators)]
        for code, filler, mark in rule.subfields:
            times = rng.randint(0, 3) if mark == "*" else int(mark != "?" or rng.random() < 0.4)
            for _ in range(times):
                odd = filler not in ("isbn", "barcode") and rng.random() < ODD_SHARE
                field += [code, rng.choice(ODD_VALUES) if odd else self.fillers[filler]()]
        if len(field) == 2:
            field += [rule.subfields[0][0], self.fillers[rule.subfields[0][1]]()]
        return field


def _controls(maker: _Maker, specific: str) -> list[Field]:
    rng = maker.rng
    year = rng.choice(("1956", "2004", "19uu", "    ", "||||", "2026"))
    dates = rng.choice((f"s{year}    ", f"m{year}9999", "t20042003", "c19909999", "nuuuuuuuu"))
    language = rng.choice((maker.language, maker.language, "   ", "|||"))
    fixed = f"{rng.randrange(10**6):06d}{dates}{rng.choice(('io ', 'xxu', 'gw ', '|||'))}{specific:<17.17}{language} d"
    fields: list[Field] = [["008", fixed]]
    if rng.random() < 0.95:
        fields.insert(0, ["001", rng.choice((f"{maker.number:08d}", f"ocm{maker.number:08d} ", f"  {maker.number}"))])
        if rng.random() < 0.03:
            fields.insert(1, ["001", f"also{maker.number}"])
        if rng.random() < 0.7:
            fields.insert(1, ["003", rng.choice(("RK", "OCoLC", "DE-101"))])
    if rng.random() < 0.7:
        fields.insert(-1, ["005", rng.choice(("20261126013000.0", "20040101000000", "00000000000000.0"))])
    for tag, value in (("006", "m     o  d        "), ("007", "cr |n|||||||||")):
        if rng.random() < 0.2:
            fields.insert(-1, [tag, value])
    if rng.random() < 0.03:
        fields.append(["FMT", "BK"])
    return fields


def _linked(field: Field, number: int, maker: _Maker) -> tuple[Field, Field]:
    """The field with $6, and its 880."""
    rule = next(rule for rule in RULES if rule.tag == field[0])
    linked_field = maker.field(rule)
    link = f"{field[0]}-{number:02d}{maker.script.mark}"
    return [*field[:2], "6", f"880-{number:02d}", *field[2:]], ["880", field[1], "6", link, *linked_field[2:]]


def record(rng: random.Random, number: int) -> Record:
    """One record; `number` makes its 001 and barcodes unique."""
    kind, specific = rng.choice(KINDS)
    language = rng.choice(("ind", "ind", "ind", "eng", *SCRIPTS))
    maker = _Maker(rng, number, language)
    fields = _controls(maker, specific)
    link_count = 0
    linked_fields: list[Field] = []
    romanised = _Maker(rng, number, "ind") if maker.script.mark else maker
    for rule in RULES:
        if rng.random() < rule.share:
            for _ in range(rng.randint(1, rule.most)):
                field = romanised.field(rule)
                if maker.script.mark and rule.tag[0] in "124" and rng.random() < 0.6:
                    link_count += 1
                    field, linked_field = _linked(field, link_count, maker)
                    linked_fields.append(linked_field)
                fields.append(field)
    leader = f"00000{rng.choice('ncdap')}{kind} a2200000{rng.choice(' 17uMz')}{rng.choice('aic ')} 4500"
    return Record(leader, fields + linked_fields)


def records(count: int, seed: int = SEED) -> Iterator[Record]:
    """The first `count` records; the same ones for the same seed, whatever the count."""
    rng = random.Random(seed)
    for number in range(1, count + 1):
        yield record(rng, number)


def plain_records(count: int, seed: int = SEED) -> Iterator[Record]:
    """Short records without anything odd, to be damaged in one known way each."""
    rng = random.Random(seed)
    for number in range(1, count + 1):
        title = " ".join(rng.choices(SCRIPTS["ind"].words, k=4)).capitalize()
        yield Record(
            "00000nam a2200000   4500",
            [
                ["001", f"rusak{number}"],
                ["003", "RK"],
                ["008", "261126s1956    io a     b    000 1 ind d"],
                ["100", "1 ", "a", rng.choice(("Navis, A. A.", "Hamka"))],
                ["245", "10", "a", f"{title} /", "c", "oleh pengarangnya."],
                ["264", " 1", "a", "Bukittinggi :", "b", "Nusantara,", "c", "1956."],
                ["650", " 4", "a", "Kesusastraan", "z", "Sumatra Barat"],
                ["852", "  ", "b", "PST", "h", "899.221", "p", f"R{number:06d}"],
            ],
        )
