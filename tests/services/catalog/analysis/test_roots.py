"""All forms and spellings of a word have one root."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.analysis import as_old, is_old, root, tokens

ONE_WORD = [
    # affixes
    "tulis tulisan menulis penulis ditulis penulisan menuliskan tulisannya kepenulisan",
    "makan makanan memakan makanannya",
    "didik pendidikan mendidik didikan pendidik",
    "rumah perumahan rumahnya rumahku rumahmu",
    "rantau perantau merantau perantauan",
    "buku bukumu bukuku bukunya",
    "budaya kebudayaan berbudaya",
    "terbit penerbit terbitan menerbitkan",
    "tari penari menari tarian",
    "temu menemukan ditemukan pertemuan",
    "pilih pemilihan memilih pilihan",
    "kenal mengenal pengenalan perkenalan",
    "pustaka perpustakaan kepustakaan",
    "tani petani pertanian bertani",
    "manusia kemanusiaan",
    "merdeka kemerdekaan",
    "perempuan perempuannya keperempuanan",
    "ekonomi perekonomian ekonominya",
    # of these, the stemmer without a list of words leaves abung, meni, enang, ikmat, sanyi, pilik, awat and ipu
    "tabung menabung tabungan penabung",
    "nikah menikah pernikahan menikahi",
    "renang berenang perenang",
    "nikmat menikmati penikmat kenikmatan",
    "nyanyi menyanyi penyanyi nyanyian",
    "milik memiliki pemilik kepemilikan",
    "rawat perawat keperawatan perawatan",
    "tipu menipu penipu penipuan",
    # English
    "library libraries",
    "book books",
    "house houses",
    "church churches",
    "study studies",
    "story stories",
    "woman women",
    "child children",
    "teach teaching teaches",
    "movie movies",
    # old spelling
    "suharto soeharto",
    "sukarno soekarno",
    "jakarta djakarta",
    "cerita tjerita tjeritanya",
    "catatan tjatatan",
    "nyanyian njanjian",
    "syahrir sjahrir",
    "cokroaminoto tjokroaminoto",
    "jayadiningrat djajadiningrat",
    "surabaya soerabaja soerabaia",
    "yogyakarta jogjakarta djokjakarta jogja yogya",
    "yang jang",
    "akhlak achlak achlaq",
    "khairil chairil",
    "rakyat rakjat",
    "kamus kamoes",
    "umum oemoem",
    "sutan soetan",
    "rusli roesli",
    "rancak rantjak",
    "raja radja",
    # names and words of Arabic
    "muhammad mohammad mochammad moehammad muhamad",
    "ahmad achmad akhmad ahmed",
    "quran alquran",
    "penjara dipenjarakan memenjarakan",
    "terima menerima diterima penerimaan",
    "pakai memakai dipakai",
    "disease diseases",
    "indonesian indonesians",
    "hadis hadits hadith",
    "fikih fiqih fiqh",
    "salat shalat sholat",
    "misbah mishbah",
    "laila layla",
    "masjid mesjid",
    "kiai kyai",
    "syekh syaikh sheikh",
    "ramadan ramadhan",
]
# Each two are two words.
APART = [
    ("bali", "balinya bal"), ("bekasi", "bekas"), ("masalah", "masa"), ("pelangi", "langi"), ("maluku", "malu"),
    ("perawan", "awan"), ("perdata", "data"), ("manis", "mani"), ("keras", "kera"), ("tulis", "tuli"),
    ("person", "son"), ("terrace", "race"), ("permission", "mission"), ("division", "vision"), ("iii", "ii"),
    ("anjing", "anj"), ("banding", "band"), ("poem", "pum"), ("senja", "senya"), ("jalan", "yalan"), ("meja", "meya"),
    ("panjang", "panyang"), ("harimau", "hari"), ("majalah", "maja"), ("menara", "ara"), ("penjara", "jara"),
    ("quran", "koran"), ("diare", "are"), ("uang", "beruang"), ("gula", "gulai"), ("jarak", "dipenjarakan"),
    ("kaba", "kabar"), ("minang", "menang"), ("bundo", "bunda"), ("salah", "salat"),
]  # fmt: skip
MINANGKABAU = (
    "surau rangkiang bundo kanduang minang minangkabau lamin kaba nagari mamak kemanakan penghulu datuk sutan luhak "
    "pagaruyung randai saluang talempong rabab songket gadang marawa lapau urang awak adaik pusako sumando padusi"
)


@pytest.mark.parametrize("words", ONE_WORD)
def test_forms_and_spellings_of_a_word_are_found_under_one_root(words: str) -> None:
    assert len({root(word) for word in words.split()}) == 1


@pytest.mark.parametrize(("word", "others"), APART)
def test_words_of_another_meaning_keep_apart(word: str, others: str) -> None:
    assert root(word) not in {root(other_word) for other_word in others.split() if not other_word.startswith(word)}


@pytest.mark.parametrize("word", MINANGKABAU.split())
def test_minangkabau_words_are_left_alone(word: str) -> None:
    assert root(word) == word


@pytest.mark.parametrize("word", ["bukittinggi", "sumatra", "sekolah", "kepala", "sungai", "negeri", "menteri"])
def test_roots_and_places_are_left_whole(word: str) -> None:
    assert root(word) == word


def test_a_plain_j_is_old_only_among_old_words() -> None:
    assert is_old("tjerita")
    assert not is_old("raja")
    assert not is_old("adjective")
    assert (root("raja"), root(as_old("raja"))) == ("raja", "raya")
    assert as_old("banjak") == "banyak"
    assert as_old("djalan") == "jalan"


@given(st.text(max_size=40))
def test_every_token_has_a_root_that_is_no_sign_of_ours(text: str) -> None:
    for token in tokens(text):
        root_of_token = root(token)
        assert root_of_token
        assert not set("^$#|= ").intersection(root_of_token)
        assert root(token) == root_of_token


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=20))
def test_an_old_form_is_one_word_without_marks(word: str) -> None:
    assert as_old(word).isalpha()


@pytest.mark.parametrize("word", ["spun", "slah", "snya", "apun", "s"])
def test_a_letter_with_a_clitic_has_a_root(word: str) -> None:
    assert root(word)
