"""Generates a catalogue of any size from a seed, with words, names and years distributed as in a real library."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

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
