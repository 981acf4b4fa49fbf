"""The analysed field `fielded`: the words and numbers of each kind of field as written, each with the sign of its kind.

    ^ t=| t=robohnya t=surau t=kami t=| ap=| ap=navis ap=a ap=a ap=| i=9789794030462 b=ks0000123

Searches by field read it: a word of one field, words side by side, the whole of a field, its beginning and its end. The
sign and BORDER are before, between and after the fields of a kind, so that no phrase continues in another field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.catalog.analysis import squeeze, tokens
from services.catalog.marc.record import Tags, control, linked_tag, pick, pick_all
from services.catalog.record.holdings import ItemFacts

FIELDED = "fielded"
BORDER = "|"
MOST_FIELDS = 200  # of one tag
LONGEST_FIELD = 2_000  # characters
_A, _AB = frozenset("a"), frozenset("ab")

# sign, tags, subfields, and the subfields of the main part, which is a field of its own too: a title without its
# subtitle, and a name without its dates.
_TABLE = """
t=   245                          abnp          anp
ar=  245                          c
t=   210 242 246 247 740          abnpt         anp
tu=  130 240 730                  anpt
tk=  222                          ab
t=   700 710 711                  tnp
ap=  100 700 720                  abcdq         abcq
ac=  110 710                      abcdq         abcq
am=  111 711                      abcdq         abcq
s=   630 647 648 650 653          abcdnpqtvxyz
sn=  600 610 611                  abcdnpqtvxyz
sg=  651                          abcdnpqtvxyz
sf=  655                          abcdnpqtvxyz
e=   440 490 830                  anp
e=   800 810 811                  abcqtnp       tnp
p=   260 264                      b
pl=  260 264                      a
"""
_Rule = tuple[str, frozenset[str], frozenset[str]]


def _rules() -> dict[str, list[_Rule]]:
    """Return tag -> (sign, subfields, subfields of the main part)."""
    rules: dict[str, list[_Rule]] = {}
    for line in _TABLE.strip().splitlines():
        sign, *rest = line.split()
        tags = [part for part in rest if part.isdigit()]
        codes, *main = rest[len(tags) :]
        for tag in tags:
            rules.setdefault(tag, []).append((sign, frozenset(codes), frozenset(main[0] if main else "")))
    return rules


_RULES = _rules()


def field_words(tags: Tags, *, isbns: Iterable[str], items: Sequence[ItemFacts], class_number: str, first: str) -> str:
    """Return the tokens of the field, joined by spaces.

    isbns         thirteen digits each
    class_number  "" without one
    first         the token with which every analysed field begins
    """
    kinds: dict[str, list[str]] = {}
    for tag, fields in tags.items():
        rules = _RULES.get(tag, ())
        if not rules and tag != "880":
            continue
        for field in fields[:MOST_FIELDS]:
            for sign, codes, main_codes in rules or _RULES.get(linked_tag(field), ()):
                whole = pick(field, codes)
                main = pick(field, main_codes) if main_codes else ()
                for values in (whole, main) if 0 < len(main) < len(whole) else (whole,):
                    if words := tokens(" ".join(values)[:LONGEST_FIELD]):
                        kinds.setdefault(sign, []).append(f"{sign}{f' {sign}'.join(words)}")
    texts = [first]
    for sign, kind in kinds.items():
        border = sign + BORDER
        texts.append(f"{border} {f' {border} '.join(kind)} {border}")
    texts += _numbers(tags, isbns, items, class_number)
    return " ".join(texts)


def _numbers(tags: Tags, isbns: Iterable[str], items: Sequence[ItemFacts], class_number: str) -> dict[str, None]:
    numbers = [f"i={isbn}" for isbn in isbns]
    numbers += _signed("c=", (control(tags, "001"), *(number_of(value) for value in pick_all(tags, "035", _A))))
    numbers += _signed("l=", pick_all(tags, "010", _A))
    numbers += _signed("is=", pick_all(tags, "022", _A))
    numbers += _signed("k=", (" ".join(pick(field, _AB)) for field in tags.get("050", ())))
    numbers += _signed("k=", (item.call_number for item in items))
    numbers += _signed("b=", (item.barcode for item in items))
    if class_number:
        numbers.append(f"d={''.join(class_number.split()).lower()}")
    return dict.fromkeys(numbers)


def number_of(value: str) -> str:
    """Return a control number without the code of its agency: `(OCoLC)123` is 123."""
    return value.rpartition(")")[2]


def _signed(sign: str, values: Iterable[str | None]) -> list[str]:
    return [sign + number for value in values if value and (number := squeeze(value[:200]))]
