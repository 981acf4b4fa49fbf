"""Contributors of a record: the names of 1XX and 7XX with their roles."""

from __future__ import annotations

from typing import Any

from services.catalog.marc.fields import Field, Tags, pick
from services.catalog.record.headings import name_of, tidy

NAME_TAGS = ("100", "110", "111", "700", "710", "711", "720")
_TERM, _MEETING_TERM, _CODE, _TITLE = (frozenset(code) for code in ("e", "j", "4", "t"))
# Labels of MARC relator codes.
_ROLES = """
act pemeran|actor
adp penyadur|adapter
aft penulis kata penutup|author of afterword
arr pengaransemen|arranger
art seniman|artist
aui penulis kata pengantar|author of introduction
aut pengarang|author
bkd perancang buku|book designer
cmm komentator|commentator
cmp komponis|composer
cnd pengaba|conductor
com penyusun|compiler
cov perancang sampul|cover designer
ctb kontributor|contributor
ctg kartografer|cartographer
cwt penulis komentar|commentator for written text
dgg pemberi gelar|degree granting institution
dgs pembimbing|degree supervisor
drt sutradara|director
dub dugaan pengarang|dubious author
edt penyunting|editor
ill ilustrator|illustrator
isb badan penerbit|issuing body
ive narasumber|interviewee
ivr pewawancara|interviewer
lbt penulis libreto|librettist
lyr penulis lirik|lyricist
mus pemusik|musician
nrt pencerita|narrator
org asal|originator
pbl penerbit|publisher
pht fotografer|photographer
pro produser|producer
prf pemain|performer
res peneliti|researcher
rev pengulas|reviewer
sce penulis skenario|scenarist
sng penyanyi|singer
spn sponsor|sponsor
ths pembimbing tesis|thesis advisor
trc penyalin|transcriber
trl penerjemah|translator
win penulis pendahuluan|writer of introduction
"""
ROLES: dict[str, dict[str, str]] = {}
for _line in _ROLES.strip().splitlines():
    _indonesian, _, _english = _line[4:].partition("|")
    ROLES[_line[:3]] = {"id": _indonesian, "en": _english}
_BY_WORD = {word: label for label in ROLES.values() for word in label.values()}


def contributors_of(tags: Tags) -> list[dict[str, Any]]:
    """List `{"name", "role", "label": {"id", "en"}}`, main entry first, without duplicate names.

    Names of name-title entries are included.
    name   value of the facet "author"
    role   as written in the record (`penerjemah`); left out when the record has none
    label  the role in both languages
    """
    contributors: dict[str, dict[str, Any]] = {}
    for tag in NAME_TAGS:
        for field in tags.get(tag, ()):
            name = name_of(field)
            if not name:
                continue
            contributor = contributors.setdefault(name, {"name": name})
            role, label = _role(tag, field)
            if label and "label" not in contributor:
                contributor |= {"role": role, "label": label}
    return list(contributors.values())


def _role(tag: str, field: Field) -> tuple[str, dict[str, str] | None]:
    terms = [tidy(value) for value in pick(field, _MEETING_TERM if tag in ("111", "711") else _TERM)]
    codes = [value.strip().rpartition("/")[2].lower()[:3] for value in pick(field, _CODE)]
    labels = [_BY_WORD.get(term.lower(), {"id": term, "en": term}) for term in terms if term]
    labels = labels or [ROLES[code] for code in codes if code in ROLES]
    if not labels:
        return "", None
    joined = {language: ", ".join(dict.fromkeys(label[language] for label in labels)) for language in ("id", "en")}
    return ", ".join(term for term in terms if term) or joined["id"], joined
