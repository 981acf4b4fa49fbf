"""Generates a catalogue of any size from a seed, with words, names and years distributed as in a real library."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from string import ascii_lowercase

from services.catalog.marc import iso2709
from services.catalog.marc.record import Record

SEED = 20260817
ROOTS = (
    "adat alam anak angin api awan bahasa baju bakti batu "
    "belajar benih beras bintang buah budaya bukit bumi bunga buku "
    "cahaya cerita cinta daerah daun dendang desa doa dongeng duka ekonomi gadang gajah galeh gunung guru hari harimau "
    "hati hujan hukum ibu ilmu indah jalan janji jiwa kaba kabut kampung kasih kayu kebun kelapa keluarga kemerdekaan "
    "kerja kisah kopi kota ladang langit laut lembah "
    "luhak lukisan malam mamak manusia masak masyarakat merantau minyak "
    "musim nagari nama negeri nenek nusantara obat ombak padi pahlawan pantai pantun pasar pemuda pendidikan penghulu "
    "perahu perang petani pintu pohon politik pulau puisi rakyat randai rantau rimba rindu ruang rumah sahabat sastra "
    "sawah sejarah sekolah semangat seni senja silat singgalang "
    "solok songket suara sungai surau surat tambo tanah tari "
    "tenun teratai tradisi tuan tukang tulang ulama utara wanita warisan"
).split()
SUFFIXES = ("", "", "", "nya", "an", "kan")
PREFIXES = ("", "", "", "", "me", "ber", "per", "di")
ENGLISH = (
    "history culture society language village mountain river trade rice women islam law migration colonial modern art "
    "economy education politics forest memory family house market teacher song tale river sea island"
).split()
FIRST = (
    "Abdul Ahmad Amir Asrul Chairil Dewi Fatimah Hamka Idrus Kartini Marah Nur Putri Rahmah Rosihan Siti Sutan Taufik"
).split()
LAST = (
    "Anwar Batuah Chaniago Datuk Effendi Hakim Iskandar Jambak Koto Lubis Malik Nasution Piliang Rangkuti Salim Tanjung"
).split()
SUBJECTS = [f"{a.capitalize()} {b}" for a in ROOTS[:40] for b in ("Indonesia", "Minangkabau", "Sumatera Barat")]
LANGUAGES = ("ind",) * 14 + ("eng",) * 3 + ("min", "ara", "jav")
BRANCHES = ("PST",) * 5 + ("TJH",) * 3 + ("KLL",)
PLACES = ("Jakarta", "Padang", "Bukittinggi", "Bandung", "Yogyakarta", "Leiden")
PUBLISHERS = ("Balai Pustaka", "Nusantara", "Gramedia", "Mizan", "Obor", "Angkasa Raya", "Universitas Andalas")


def words(rng: random.Random, count: int, vocabulary: list[str], weights: list[float]) -> list[str]:
    return rng.choices(vocabulary, cum_weights=weights, k=count)


def vocabulary() -> tuple[list[str], list[float]]:
    """Return about 7,000 words and their cumulative weights; the n-th word has the weight 1/n^0.8."""
    vocabulary_words = sorted({prefix + root + suffix for root in ROOTS for prefix in PREFIXES for suffix in SUFFIXES})
    vocabulary_words += [f"{a}{b}" for a in ROOTS[::3] for b in ROOTS[::5]]
    random.Random(SEED).shuffle(vocabulary_words)
    total, weights = 0.0, []
    for rank in range(1, len(vocabulary_words) + 1):
        total += 1 / rank**0.8
        weights.append(total)
    return vocabulary_words, weights


def records(count: int, seed: int = SEED) -> Iterator[Record]:
    """Yield the first `count` records; the same seed gives the same records for any count."""
    rng = random.Random(seed)
    names, weights = vocabulary()
    for number in range(1, count + 1):
        language = rng.choice(LANGUAGES)
        title_words = words(rng, rng.randint(2, 6), names, weights)
        if language == "eng":
            title_words = rng.choices(ENGLISH, k=3) + title_words[:2]
        year = min(2026, int(rng.triangular(1920, 2027, 2012)))
        author = f"{rng.choice(LAST)}, {rng.choice(FIRST)} {rng.choice(FIRST)}"
        ddc = f"{rng.randrange(1000):03d}"
        fields = [
            ["001", f"{number:08d}"],
            ["003", "BENCH"],
            ["008", f"260101s{year}    io a     b    000 1 {language} d"],
            ["020", "  ", "a", isbn(number)],
            ["082", "04", "a", ddc, "2", "23"],
            ["100", "1 ", "a", author],
            ["245", "10", "a", " ".join(title_words).capitalize() + " /", "c", author],
            ["264", " 1", "a", rng.choice(PLACES) + " :", "b", rng.choice(PUBLISHERS) + ",", "c", str(year)],
            ["300", "  ", "a", f"{rng.randint(40, 600)} hlm. ;", "c", "21 cm"],
            ["520", "  ", "a", " ".join(words(rng, rng.randint(15, 45), names, weights)).capitalize() + "."],
        ]
        fields += [["650", " 4", "a", subject] for subject in rng.sample(SUBJECTS, rng.randint(1, 3))]
        for copy in range(rng.randint(1, 2)):
            branch = rng.choice(BRANCHES)
            shelf = f"{author[:3].upper()} {title_words[0][0]}"
            barcode = f"B{number:08d}{copy}"
            fields.append(
                ["852", "  ", "b", branch, "c", "sirkulasi", "h", ddc, "i", shelf, "p", barcode, "t", f"{copy + 1}"]
            )
        yield Record("00000nam a2200000   4500", fields)


def queries(count: int, seed: int = SEED + 1) -> list[str]:
    """Return queries of two words of medium frequency (in 3-7 % of records): ten or more hits from 10,000 records."""
    rng = random.Random(seed)
    names, _ = vocabulary()
    return [" ".join(rng.sample(names[30:150], 2)) for _ in range(count)]


# Kinds of mixed queries and their shares. A fifth finds nothing as typed, as in the logs of real libraries.
WITH_HITS = {"two words": 60, "one word": 10, "a name and a word": 10}
WITHOUT_HITS = {"two words, one misspelt": 10, "three words and an unknown one": 6, "two unknown words": 4}


def mixed_queries(count: int, shares: Mapping[str, int] | None = None, seed: int = SEED + 2) -> list[str]:
    """Return different queries of the kinds in WITH_HITS and WITHOUT_HITS, in a random order.

    shares   kind -> its weight; the weights of both tables unless given
    """
    rng = random.Random(seed)
    names, _ = vocabulary()
    existing_words = frozenset(names)
    weights = shares or {**WITH_HITS, **WITHOUT_HITS}
    queries: dict[str, None] = {}
    while len(queries) < count:
        (kind,) = rng.choices(list(weights), list(weights.values()))
        queries.setdefault(_query(rng, kind, names[30:150], existing_words))
    return list(queries)


def _query(rng: random.Random, kind: str, names: Sequence[str], existing_words: Set[str]) -> str:
    if kind == "one word":
        # With a year, because there are fewer words than queries.
        return f"{rng.choice(names)} tahun:{rng.randint(1990, 2026)}.."
    if kind == "a name and a word":
        return f"{rng.choice(LAST)} {rng.choice(names)}"
    if kind == "two words, one misspelt":
        word, other = rng.sample(names, 2)
        return f"{_misspell(rng, word, existing_words)} {other}"
    if kind == "three words and an unknown one":
        query_words = [*rng.sample(names, 3), _unknown(rng)]
        rng.shuffle(query_words)
        return " ".join(query_words)
    if kind == "two unknown words":
        return f"{_unknown(rng)} {_unknown(rng)}"
    return " ".join(rng.sample(names, 2))


def _misspell(rng: random.Random, word: str, existing_words: Set[str]) -> str:
    """Replace, drop, double or swap letters at one place of a word, or at two of a long word."""
    misspelt = word
    while misspelt in existing_words:
        misspelt = word
        for _edit in range(1 + (len(word) > 8 and rng.random() < 0.25)):
            place = rng.randrange(1, len(misspelt) - 1)
            letter, following = misspelt[place : place + 2]
            replacement = rng.choice(
                (rng.choice(ascii_lowercase) + following, following, letter * 2, following + letter)
            )
            misspelt = misspelt[:place] + replacement + misspelt[place + 2 :]
    return misspelt


def _unknown(rng: random.Random) -> str:
    """Make a word of six to ten letters that is near to no word of the catalogue."""
    return "".join(rng.choice("bcdfghkqvwxyz") + rng.choice("eiou") for _ in range(rng.randint(3, 5)))


def isbn(number: int) -> str:
    """Return a valid ISBN-13 with the prefix 978-602-99, which no publisher has."""
    digits = f"97860299{number % 10_000:04d}"
    check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10
    return f"{digits}{check}"


def write(path: Path, count: int) -> Path:
    """Write the catalogue to an ISO 2709 file, unless it exists: the same count gives the same bytes."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as file:
            for record in records(count):
                file.write(iso2709.encode(record))
        unfinished.rename(path)
    return path
