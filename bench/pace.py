"""The pace of an import beside Zebra's indexer, on the same files in one run: time, and CPU time of all processes.

    python -m bench.pace [RECORDS]        (or python -m bench.pace --profile [RECORDS])

Two files: the real sets of the tests (CORPUS) as one file, and generated records whose words are seldom repeated (six
new words a record). `zebraidx` is Debian's (apt-get install idzebra-2.0); without it its rows say that it is missing.
It indexes each file twice: with its filter for MARC 21 (grs.marc, 20 fields), and as Koha has it configured, with its
DOM filter (bench/zebra: records become XML, and a style sheet makes the entries of the fields that we index), a shadow
register and a commit. CPU time, user and system, of the command and the processes that it waits for; starting the
command is included.
"""

from __future__ import annotations

import cProfile
import glob
import os
import pstats
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench import generate
from bench.parts import RANGKIANG
from services.catalog.importing.decode import prepare
from services.catalog.marc import iso2709
from services.catalog.marc.readers import frames
from services.catalog.marc.record import Record
from services.catalog.record.index_document import document
from tests.corpus import real

RECORDS = 20_000
NEW_WORDS = 6  # of a record; about 580,000 different words in 100,000 records
SYLLABLES = [consonant + vowel for consonant in "bdghjklmnprstw" for vowel in "aiueo"]
ZEBRA = """
profilePath: {profile}/usr/share/idzebra-2.0/tab
modulePath: {modules}
attset: bib1.att
recordType: {filter}
encoding: UTF-8
storeKeys: 1
storeData: 1
register: {folder}/register:20G
"""
ZEBRA_DOM = Path(__file__).with_name("zebra")
MODULES = "/usr/lib/*/idzebra-2.0/modules"


class Pace(NamedTuple):
    """elapsed: seconds; cpu: seconds of CPU, in user and kernel mode, of all processes."""

    elapsed: float
    cpu: float

    def line(self, records: int) -> str:
        return f"{self.elapsed:7.2f} s, {self.cpu:7.2f} s of CPU, {1_000 * self.cpu / records:.3f} ms of CPU a record"


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    size = numbers[0] if numbers else RECORDS
    with tempfile.TemporaryDirectory(prefix="bench-pace-") as name:
        folder = Path(name)
        for label, file, records in corpora(folder, size):
            if "--profile" in sys.argv:
                profile(label, file)
            else:
                compare(label, file, records, folder / label)


def corpora(folder: Path, size: int) -> Iterator[tuple[str, Path, int]]:
    """Write the two files; yield name, file and number of records."""
    sets = real.sound_files()
    if sets:
        file = folder / "real.mrc"
        with file.open("wb") as stream:
            stream.writelines(part.read() for part in sets)
        with file.open("rb") as source:
            yield "real", file, sum(1 for _ in frames(source))
    else:
        print("The real sets are missing: set CORPUS to their folder.")
    yield "seldom", write_seldom_words(folder / "seldom.mrc", size), size


def write_seldom_words(file: Path, size: int) -> Path:
    """Write generated records whose titles and notes have words that no other record has."""
    generator = random.Random(generate.SEED)
    with file.open("wb") as stream:
        for record in generate.records(size):
            title = next(field for field in record.fields if field[0] == "245")
            unusual = [_word(generator) for _ in range(NEW_WORDS)]
            title[3] = f"{title[3]} {' '.join(unusual[:2])}"
            fields = [*record.fields, ["500", "  ", "a", f"{' '.join(unusual[2:])}."]]
            stream.write(iso2709.encode(Record(record.leader, fields)))
    return file


def _word(generator: random.Random) -> str:
    return "".join(generator.choices(SYLLABLES, k=generator.randint(3, 5)))


def compare(label: str, file: Path, records: int, folder: Path) -> None:
    """Print the times of both for one file."""
    print(f"{label}: {records} records, {file.stat().st_size // 1_000_000} MB")
    ours = import_file(file, folder / "rangkiang")
    print(f"  rangkiang import  {ours.line(records)}")
    if shutil.which("zebraidx") is None:
        print("  zebraidx is missing: apt-get install idzebra-2.0")
        return
    for name, is_dom in (("grs.marc", False), ("DOM", True)):
        theirs = index_with_zebra(file, folder / f"zebra-{name}", is_dom=is_dom)
        print(f"  zebraidx {name:8} {theirs.line(records)}")
        print(f"    ratio {ours.elapsed / theirs.elapsed:.2f} of the time, {ours.cpu / theirs.cpu:.2f} of the CPU time")


def import_file(file: Path, data: Path) -> Pace:
    """Import into an empty catalogue of its own."""
    environ = {**os.environ, "DATA": str(data)}
    subprocess.run([*RANGKIANG, "migrate"], env=environ, check=True, stdout=subprocess.DEVNULL)
    command = [*RANGKIANG, "import", str(file), "--source", "BENCH", "--json"]
    help_text = subprocess.run([*RANGKIANG, "import", "--help"], capture_output=True, text=True).stdout
    return pace_of([*command, "--new-source"] if "--new-source" in help_text else command, environ=environ)


def index_with_zebra(file: Path, folder: Path, *, is_dom: bool) -> Pace:
    """Index the file with one of Zebra's filters, the records kept in its register.

    is_dom  the DOM filter, with a shadow register and a commit; else grs.marc
    """
    (folder / "register").mkdir(parents=True)
    (folder / "shadow").mkdir()
    settings = folder / "zebra.cfg"
    text = ZEBRA.format(
        folder=folder,
        profile=f"{ZEBRA_DOM}:" if is_dom else "",
        modules=next(glob.iglob(MODULES), ""),
        filter="dom.dom.xml" if is_dom else "grs.marc.usmarc",
    )
    settings.write_text(f"{text}shadow: {folder}/shadow:20G\n" if is_dom else text)
    command = ["zebraidx", "-c", str(settings), "-l", str(folder / "log")]
    # It writes its locks into the current folder.
    paces = [pace_of([*command, *words], folder=folder) for words in (["update", str(file)], ["commit"])[: 1 + is_dom]]
    return Pace(sum(pace.elapsed for pace in paces), sum(pace.cpu for pace in paces))


def pace_of(command: list[str], *, environ: dict[str, str] | None = None, folder: Path | None = None) -> Pace:
    """Run a command; its CPU time includes that of all processes that it waited for."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode > 1:
        raise SystemExit(f"{command[0]}: {process.stderr[-2_000:]}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Pace(time.perf_counter() - start, cpu)


def profile(label: str, file: Path) -> None:
    """Print where the two pure halves of an import spend their time: decoding, and building index documents."""
    profiler = cProfile.Profile()
    with file.open("rb") as stream:
        chunk = list(frames(stream))[:5_000]
    profiler.enable()
    prepared = prepare(str(file), "PKS", chunk)
    for incoming in prepared.incoming:
        document(Record.unpack(incoming.marc), number=1, institution="PKS", items=incoming.items)
    profiler.disable()
    print(label)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
