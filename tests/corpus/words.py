"""Words, names and places in the scripts of the generated records, and values that systems get wrong."""

from __future__ import annotations

from typing import Final, NamedTuple


class Script(NamedTuple):
    """How 880 $6 ends for this script, and words in it; `mark` is "" for Latin."""

    mark: str
    words: list[str]


# Language of MARC (ISO 639-2/B), mark of its script (- for none), words.
_WORDS: Final = """
ind - adat alam bahasa cerita hukum kampung laut nagari padi rakyat rumah sejarah surau
eng - a history of the rice trade, women’s law and modern art in Sumatra
ger - Über die Größe der Wälder, Straßen und Dörfer im höheren Gebirge
fre - L’île où naît l’été, l’œuvre et la forêt : récit à cœur ouvert
vie - Truyện Kiều và những bài thơ cổ của người Việt ở miền đồng bằng
pol - Zażółć gęślą jaźń, źródło łąk i świętych mężów ćwiczących
tur - İstanbul'un ışıkları, şiirler ve çığlık dağı öyküleri
ara /(3/r تاريخ اللغة العربية في جزر الملايو وكتاب الأدب والشعر
heb /(2/r ספר תולדות העם והלשון בארץ רחוקה
rus /(N История языка и народов Суматры, объём второй: ёлки
gre /(S Ιστορία της γλώσσας και των λαών, τόμος δεύτερος
chi /$1 蘇門答臘 歷史 與 文學 研究 第二卷
jpn /$1 スマトラ の 歴史 と 文学 入門
kor /$1 수마트라 역사와 문학 연구
hin - भाषा और साहित्य का इतिहास
tha - ประวัติศาสตร์ ภาษา และ วรรณคดี
"""


def _scripts() -> dict[str, Script]:
    rows = (line.split() for line in _WORDS.strip().splitlines())
    return {language: Script(mark.strip("-"), words) for language, mark, *words in rows}


SCRIPTS: Final = _scripts()
NAMES: Final = (
    "Navis, A. A.", "Hamka", "Siti Rahmah, Datuk", "O’Brien-Smith, Zoë", "Müller-Lüdenscheidt, Jörg", "Nguyễn, Du",
    "Łukasiewicz, Józef", "Al-Ghazālī, Abū Ḥāmid", "Ibn Sīnā", "Dostoyevsky, Fyodor M.", "ʿAbd al-Raʾūf",
    "Ōe, Kenzaburō", "van der Tuuk, H. N.", "D'Arcy, Éric,", "Plato.", "Çelebi, Evliya",
)  # fmt: skip
BODIES: Final = (
    "Universitas Andalas.", "Perpustakaan Nasional (Indonesia)", "Balai Pustaka,", "Institut Seni Indonesia.",
    "Internationale Gesellschaft für Völkerkunde.",
)  # fmt: skip
PLACES: Final = ("Bukittinggi", "[S.l.]", "Padang ;", "Den Haag", "Köln", "İstanbul", "Москва", "上海", "[Jakarta?]")
PUBLISHERS: Final = ("Nusantara", "Balai Pustaka", "s.n.", "Éditions du Seuil", "Müller & Söhne", "<Penerbit>")
DATES: Final = (
    "1956.", "[1956?]", "c1987", "©2004", "1999-2004.", "[19--]", "MCMXCVIII", "1375 [1955 or 1956]", "Heisei 3 [1991]",
    "2026-",
)  # fmt: skip
EXTENTS: Final = (
    "120 hlm. ;",
    "xvi, 312 p. :",
    "1 online resource (xii, 40 pages)",
    "3 v. in 1",
    "1 peta",
    "",
    "24 cm.",
)
# Values that a form, a page or a spreadsheet must not execute; all are valid in MARC.
ODD_VALUES: Final = (
    "", " ", "  leading and trailing  ", ".", "/", "[]", "=1+1", "-2+3", "@SUM(A1)", "+62", "<b>tebal</b>", "]]>",
    "&amp; & ;", "</script><script>alert(1)</script>", "{brace", "brace}", "\\end{book}", "a and b", "TY  - BOOK",
    "ER  -", '"quoted"', "'", "100%", "$a", "|b", "^c", "cafe\u0301", "\u200fالعربية\u200e", "zero\u200bwidth",
    "\u0098The\u009c cat", "😀 📚",
    "\ufeffmark", "javascript:alert(1)", "http://example.org/?a=1&b=2", "x" * 400, "\u0130", "ﬁne", "e\u0301" * 20,
)  # fmt: skip
