"""Converts spelling variants to one spelling: old Indonesian spelling, names and words from Arabic.

Old spelling: oe (until 1947) and dj, j, tj, nj, sj, ch (until 1972) are now u and j, y, c, ny, sy, kh. Modern words
rarely have these letters, except j, so they are always converted. A plain j may be modern: it becomes y in listed
words and, by `as_old`, in words next to words in old spelling.
"""

from __future__ import annotations

import re

_SIGNS = re.compile(r"oe|dj|tj|sj|ch[aul]|chi(?!ngs?\Z)|\Anj|nja\Z")
_CH = re.compile(r"ch(?=[aul]|i(?!ngs?\Z))")
# Modern words that contain these letters.
_NATURAL = """
does poem poems poet poets poetry poetic poetics shoe shoes heroes goes toe toes phoebe phoenix noel joel oeuvre coeur
goethe koefisien poetik poe joe chloe hoe koe echoes potatoes adjective adjectives adjoining adjust adjusted
adjustment adjustments adjunct adjacent adjudication django djibouti fjord senja manja ganja belanja remaja kerja
ninja konja enjoy
"""
_OTHERS = frozenset(_NATURAL.split())
# Words in which a plain j or nj is old spelling, and old names of places.
_OLD = {
    "jang": "yang", "jaitu": "yaitu", "jakni": "yakni", "supaja": "supaya", "wajang": "wayang", "pajung": "payung",
    "surabaja": "surabaya", "soerabaia": "surabaya", "jogjakarta": "yogyakarta", "jokjakarta": "yogyakarta",
    "jogja": "yogyakarta", "yogya": "yogyakarta", "djokja": "yogyakarta", "djogja": "yogyakarta",
    "djokjakarta": "yogyakarta", "djogjakarta": "yogyakarta", "tasikmalaja": "tasikmalaya", "sumatera": "sumatra",
    "kebajoran": "kebayoran", "melaju": "melayu", "lajar": "layar", "kaju": "kayu", "sajap": "sayap", "ajam": "ayam",
    "rakjat": "rakyat", "bahaja": "bahaya", "budaja": "budaya", "kebudajaan": "kebudayaan", "wijaja": "wijaya",
    "banjak": "banyak", "punja": "punya", "tanja": "tanya", "pertanjaan": "pertanyaan", "bunji": "bunyi",
    "sunji": "sunyi", "minjak": "minyak", "lenjap": "lenyap", "monjet": "monyet", "penjair": "penyair",
    "penjakit": "penyakit", "menjanji": "menyanyi", "menjusul": "menyusul", "senjum": "senyum",
    "sembunji": "sembunyi", "kenjataan": "kenyataan", "menjatakan": "menyatakan", "penjelidikan": "penyelidikan",
    "penjelidik": "penyelidik", "penjusun": "penyusun", "penjuluh": "penyuluh", "perantjis": "prancis",
}  # fmt: skip
# Names and words from Arabic and other languages, one word per line; the first spelling replaces the others.
_VARIANTS = """
muhammad mohammad mohamad muhamad mohammed mohamed muhammed mochammad mochamad moehammad moehamad mokhammad moh moch
ahmad achmad akhmad ahmed akmad
usman utsman oesman osman othman uthman
umar oemar omar
hasan hassan
husain hussain husein husin hussein hoesin hoesein
yusuf yusup yoesoef jusuf joesoef jusup yousuf
abdullah abdulah abdoellah abdallah
rahman rachman rahmaan
rahmat rachmat rahmad rachmad
mukhtar mochtar muhtar moechtar
sofyan sofian sofjan sopian sufyan
ismail ismael esmail
ibrahim ibraheem
sulaiman soelaiman suleman sulaeman solaiman
fatimah fatima
aisyah aisha aishah aisjah
khadijah khadija chadidjah
rusli roesli ruslie
laila layla laela leila
misbah mishbah misbach
quran alquran alkoran quraan
hadis hadits hadith hadist hadiths ahadits
fikih fiqih fiqh figh fiqhi
syariah syariat sharia shariah syari syariyah
salat shalat sholat solat
zakat zakah
ramadan ramadhan romadhon ramadlan
wudu wudhu
tasawuf tasawwuf tashawwuf tasauf
masjid mesjid mosjid
musala musholla mushola musalla mushalla
ustaz ustad ustadz ustadh
kiai kyai kijai
syekh syeikh syaikh sheikh shaikh sech sjech
ulama ulema
umat ummat
sunah sunnah
nabi nabiy
saleh salih shalih soleh sholeh shaleh
sahih shahih
akidah aqidah aqida
akhlak akhlaq achlak
tauhid tawhid tauheed
jihad djihad
hijrah hidjrah
kalifah khalifah khalifa chalifah
ghazali ghazzali gazali alghazali ghozali
syafii shafii safii sjafii
bukhari buchari bokhari albukhari
nawawi annawawi
masud masoed masood
said saeed saied
makkah mekah mekkah mecca
madinah medina
mukadimah muqaddimah mukaddimah muqadimah
iqbal ikbal
taufik taufiq tawfiq
rizki rizqi rezeki rejeki
izin ijin
zaman jaman
aktivitas aktifitas
kualitas kwalitas
kuitansi kwitansi
analisis analisa
hipotesis hipotesa
sintesis sintesa
praktik praktek
apotek apotik
nasihat nasehat
objek obyek
subjek subyek
proyek projek
sistem sistim
metode metoda
teknik tehnik
teknologi tehnologi
provinsi propinsi
risiko resiko
atlet atlit
cendekiawan cendikiawan
napas nafas
pikir fikir
paham faham
minangkabau minangkabaw menangkabau
padri paderi
pagaruyung pagaruyuang pagarruyung
kanduang kanduong
datuk datuak datoek datok
luhak luak
"""


def _variants() -> dict[str, str]:
    variants: dict[str, str] = {}
    for line in _VARIANTS.strip().splitlines():
        first, *others = line.split()
        variants.update(dict.fromkeys((first, *others), first))
    return variants


VARIANTS = {**_variants(), **_OLD}


def modern(word: str) -> str:
    """Return the standard spelling of a folded word; most words are unchanged."""
    variant = VARIANTS.get(word)
    if variant is not None:
        return variant
    if not ("j" in word or "oe" in word or "ch" in word):
        return word
    if _SIGNS.search(word) is None or word in _OTHERS or word.startswith(("adje", "adju", "adja")):
        return word
    converted = _letters(word)
    return VARIANTS.get(converted, converted)


def is_old(word: str) -> bool:
    """Return True for a word that must be in old spelling; a plain j in words next to it is then old too."""
    signed = "oe" in word or "tj" in word or "dj" in word or "sj" in word or word == "jang"
    return signed and word not in _OTHERS and VARIANTS.get(word) != word and not word.startswith("adj")


def as_old(word: str) -> str:
    """Convert a word next to words in old spelling: a plain j becomes y, nj becomes ny."""
    new = _letters(word.replace("dj", "\0").replace("nj", "ny").replace("sj", "sy").replace("tj", "c"))
    new = new.replace("j", "y").replace("\0", "j")
    return VARIANTS.get(new, new)


def _letters(word: str) -> str:
    word = word.replace("oe", "u").replace("tj", "c").replace("sj", "sy")
    if word.startswith("nj") or word.endswith("nja"):
        word = word.replace("nj", "ny")
    if "dj" in word:
        # A word with dj is in old spelling, so its plain j is a y.
        word = word.replace("dj", "\0").replace("nj", "ny").replace("j", "y").replace("\0", "j")
    return _CH.sub("kh", word) if len(word) >= 5 else word
