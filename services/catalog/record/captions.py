"""Captions of codes in Indonesian and English: languages, materials, audiences, collections, DDC classes."""

from __future__ import annotations

from chassis.sentences import LocalText
from services.catalog.analysis import fold
from services.catalog.record.class_table import class_caption
from services.catalog.record.codes import BIBLIOGRAPHIC

# ISO 639-2; the bibliographic code where a language has two.
_LANGUAGES = """
ind Indonesia|Indonesian
min Minangkabau|Minangkabau
eng Inggris|English
jav Jawa|Javanese
sun Sunda|Sundanese
may Melayu|Malay
ara Arab|Arabic
dut Belanda|Dutch
ban Bali|Balinese
bug Bugis|Buginese
mad Madura|Madurese
mak Makassar|Makasar
ace Aceh|Acehnese
btk Batak|Batak
bjn Banjar|Banjar
sas Sasak|Sasak
day Dayak|Dayak
gor Gorontalo|Gorontalo
nia Nias|Nias
tet Tetun|Tetum
kaw Kawi|Kawi
map Austronesia lainnya|Other Austronesian
poz Melayu-Polinesia lainnya|Other Malayo-Polynesian
san Sanskerta|Sanskrit
pli Pali|Pali
fre Prancis|French
ger Jerman|German
spa Spanyol|Spanish
por Portugis|Portuguese
ita Italia|Italian
rus Rusia|Russian
jpn Jepang|Japanese
chi Tionghoa|Chinese
kor Korea|Korean
tha Thai|Thai
vie Vietnam|Vietnamese
tgl Tagalog|Tagalog
fil Filipino|Filipino
per Persia|Persian
tur Turki|Turkish
ota Turki Utsmani|Ottoman Turkish
urd Urdu|Urdu
hin Hindi|Hindi
tam Tamil|Tamil
ben Benggala|Bengali
bur Burma|Burmese
khm Khmer|Khmer
lao Lao|Lao
lat Latin|Latin
grc Yunani kuno|Ancient Greek
gre Yunani|Greek
heb Ibrani|Hebrew
yid Yiddish|Yiddish
pol Polandia|Polish
cze Ceko|Czech
hun Hungaria|Hungarian
rum Rumania|Romanian
ukr Ukraina|Ukrainian
bul Bulgaria|Bulgarian
hrv Kroasia|Croatian
srp Serbia|Serbian
slv Slovenia|Slovenian
slo Slowakia|Slovak
swe Swedia|Swedish
nor Norwegia|Norwegian
dan Denmark|Danish
fin Finlandia|Finnish
cat Katalan|Catalan
afr Afrikaans|Afrikaans
swa Swahili|Swahili
amh Amhara|Amharic
arm Armenia|Armenian
geo Georgia|Georgian
mul Beberapa bahasa|Multiple languages
und Tidak ditentukan|Undetermined
zxx Tanpa bahasa|No linguistic content
"""
_AVAILABILITY = """
can_be_borrowed Dapat dipinjam|Can be borrowed
online Daring|Online
read_here_only Baca di tempat|Read here only
ask_the_library Tanyakan ke perpustakaan|Ask the library
out_until Sedang dipinjam|Out
not_available Tidak tersedia|Not available
"""
_MATERIALS = """
book Buku|Book
ebook Buku elektronik|E-book
serial Terbitan berkala|Serial
article Artikel|Article
manuscript Naskah|Manuscript
map Peta|Map
music Musik tertulis|Notated music
sound Rekaman suara|Sound recording
video Video|Video
picture Gambar|Picture
electronic Berkas elektronik|Electronic resource
kit Paket bahan|Kit
object Benda|Object
mixed Bahan campuran|Mixed materials
"""
_AUDIENCES = """
child Anak|Children
teen Remaja|Teenagers
adult Dewasa|Adults
general Umum|General
"""
_COLLECTIONS = """
circulation Sirkulasi|Circulation
children Anak|Children
reference Referensi|Reference
closed_stacks Tandon|Closed stacks
local Lokal/Minangkabau|Local/Minangkabau
thesis Skripsi|Theses
serials Terbitan berkala|Serials
audiovisual Pandang dengar (AV)|Audiovisual
"""
_CLASSES = """
000 Karya umum, informasi, komputer|General works, information, computing
100 Filsafat dan psikologi|Philosophy and psychology
200 Agama|Religion
2X Islam (2X)|Islam (2X)
300 Ilmu sosial|Social sciences
400 Bahasa|Language
500 Sains|Science
600 Teknologi|Technology
700 Seni, hiburan, olahraga|Arts, recreation, sport
800 Kesusastraan|Literature
900 Sejarah dan geografi|History and geography
"""


def _table(text: str) -> dict[str, LocalText]:
    table = {}
    for line in text.strip().splitlines():
        code, _, names = line.partition(" ")
        indonesian, _, english = names.partition("|")
        table[code] = LocalText(indonesian, english)
    return table


LANGUAGES = _table(_LANGUAGES)
CAPTIONS = {
    "availability": _table(_AVAILABILITY),
    "material": _table(_MATERIALS),
    "audience": _table(_AUDIENCES),
    "collection": _table(_COLLECTIONS),
    "language": LANGUAGES,
    "ddc": _table(_CLASSES),
    "class": {"none": LocalText("Tanpa kelas", "Without a class")},
}
_TWO_LETTERS = {"id": "ind", "en": "eng", "jv": "jav", "su": "sun", "ms": "may", "ar": "ara", "nl": "dut", "fr": "fre",
                "de": "ger", "ja": "jpn", "zh": "chi", "es": "spa"}  # fmt: skip
_LANGUAGE_NAMES = {
    **{fold(name): code for code, names in reversed(LANGUAGES.items()) for name in (names.id, names.en)},
    **_TWO_LETTERS,
    **BIBLIOGRAPHIC,
    **{code: code for code in LANGUAGES},
    "china": "chi",
    "mandarin": "chi",
    "perancis": "fre",
    "minang": "min",
}


def caption(facet: str, value: str) -> LocalText | None:
    """Return the caption of a facet value; None when the facet or the value has no caption."""
    table = CAPTIONS.get(facet)
    label = None if table is None else table.get(value)
    return class_caption(value) if label is None and facet == "class" else label


def language_code(language: str) -> str | None:
    """Return the ISO 639-2 code of a language given by its Indonesian or English name or by a code; None if unknown."""
    return _LANGUAGE_NAMES.get(fold(language.strip()))
