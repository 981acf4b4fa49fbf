"""Members: import, scan, search by name, check of access tokens.

Scans and searches are calls of the service inside one process, with their token, scope and transaction. The reference
in the same run is one SELECT of a row by its key, through the same database.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import csv
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

from nacl.bindings import crypto_sign_open
from sqlalchemy import select

from chassis.context import Context, system
from chassis.errors import Unauthenticated
from chassis.gc_tuning import tune_gc
from chassis.ids import new_id_text
from chassis.migrations.migrate import migrate
from chassis.rpc import inproc
from chassis.rpc.client import sync_channel, token_verifier
from chassis.security.auth import Principal, TokenState, TokenVerifier
from chassis.service import Resources, load
from chassis.settings import load as load_settings
from chassis.urls import resolve
from rangkiang.members.v1 import cards_pb2, people_pb2, sign_in_pb2
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.members.importing.files import ColumnMap, read_rows
from services.members.importing.pipeline import Import
from services.members.keys import Keys, public_keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from services.members.sign_in import accounts
from services.members.tables import Card, Institution

INSTITUTION = UUID(int=1)
BENCH = system("bench")
FIRST = """Muhammad Siti Ahmad Nur Dewi Rizki Putri Fajar Aulia Hasan Yusuf Rahma Indah Budi Eka Agus Sri Zaki Fitri
    Ilham""".split()
LAST = "Pratama Saputra Sari Hidayat Wulandari Ramadhan Chaniago Koto Piliang Sikumbang".split()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.members", description=__doc__)
    parser.add_argument("members", type=int, nargs="?", default=100_000)
    size = parser.parse_args().members
    with tempfile.TemporaryDirectory() as folder:
        _run(size, Path(folder))


def _run(size: int, folder: Path) -> None:
    rng = random.Random(1)
    middle = [_word(rng) for _ in range(2000)]
    file = folder / "members.csv"
    _write(file, size, rng, middle)
    settings = load_settings({"DATA": str(folder / "var")})
    service = load("members")
    migrate(service, owner_url=settings.database_owner("members"), app_url=settings.database("members"))
    with closing(service.open_database(settings)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        with database.transaction(BENCH) as session:
            values = {"name_id": "", "name_en": "", "kind": "public", "zone": "Asia/Jakarta", "version": 1}
            session.add(Institution(id=INSTITUTION, code="PKS", **values))
        keys = Keys(database, settings.of(MembersSettings))
        run = Import(
            database, BENCH, institution_id=INSTITUTION, master=keys.master, dry_run=False, report=lambda _: None
        )
        tune_gc()  # as the command and the server do
        start, cpu = time.perf_counter(), time.process_time()
        counts = run.run(read_rows(file, ColumnMap()), ColumnMap())
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"import: {counts.created} members, {size / seconds:,.0f} a second ({size / cpu_seconds:,.0f} by CPU time)"
        )
        _measure_calls(resources, keys, size, rng, middle)


def _measure_calls(resources: Resources, keys: Keys, size: int, rng: random.Random, middle: list[str]) -> None:
    settings, database, service = resources.settings, resources.database, resources.service
    scopes = scopes_of(["manager"])
    tokens = [keys.sign(Principal(new_id_text(), str(INSTITUTION), new_id_text(), scopes)) for _ in range(1_000)]
    token = tokens[0]
    with database.reading(BENCH) as session:
        state = TokenState({key.id: key.public_key for key in public_keys(session)}, frozenset())
    _measure_tokens(state, tokens)

    servicer = resolve(service.rpc)(resources)
    inproc.register("members", servicer, resolve(service.adder), verifier=token_verifier(settings, servicer))
    stub = MembersStub(sync_channel("inproc:members", settings))
    metadata = [("authorization", f"Bearer {token}")]
    context = Context(institution=str(INSTITUTION))

    def select_one() -> None:
        with database.reading(context) as session:
            code = f"A{rng.randrange(size):06}"
            session.execute(select(Card.id).where(Card.institution_id == INSTITUTION, Card.code == code)).all()

    def scan() -> None:
        stub.Scan(cards_pb2.ScanRequest(code=f"A{rng.randrange(size):06}"), metadata=metadata)

    def letters(length: int) -> str:
        words = rng.choice(FIRST), rng.choice(middle), rng.choice(LAST)
        return " ".join(word[:length] for word in words[: rng.choice((2, 3))])

    def school() -> str:
        return f"SMAN {rng.randint(1, 20)} X IPA {rng.randint(1, 5)}"

    queries = [
        lambda: rng.choice(middle),
        lambda: f"{rng.choice(FIRST)} {rng.choice(middle)[:4]}",
        lambda: f"{rng.choice(middle)} {rng.choice(LAST)}",
        lambda: f"{rng.choice(FIRST)} {rng.choice(LAST)}",
        lambda: rng.choice(FIRST),
    ]

    def any_query() -> str:
        return rng.choice(queries)()

    def find(query: Callable[[], str]) -> Callable[[], None]:
        def call() -> None:
            stub.SearchMembers(people_pb2.SearchMembersRequest(q=query(), limit=20), metadata=metadata)

        return call

    _report("one SELECT by a key", select_one)
    _report("scan of a card", scan)
    _report("search by name", find(any_query))
    _report("two or three letters", find(lambda: letters(1)))
    _report("two or three pairs", find(lambda: letters(2)))
    _report("school, number, class", find(school))
    _report("name, school, class", find(lambda: f"{rng.choice(FIRST)[:3]} {school()}"))
    _measure_sign_in(resources)


def _measure_sign_in(resources: Resources, times: int = 60) -> None:
    """Print the time of a sign-in with a wrong password: of a user who exists, and of one who does not, in turn."""
    stub = MembersStub(sync_channel("inproc:members", resources.settings))
    with resources.database.transaction(BENCH) as session:
        for number in range(times):
            accounts.add_staff(
                session, institution_id=INSTITUTION, user=f"user.{number}", name="User", role_codes=["desk"],
                context=BENCH, granter=None,
            )  # fmt: skip
    wall: dict[str, list[float]] = {"known": [], "unknown": []}
    cpu: dict[str, list[float]] = {"known": [], "unknown": []}
    for number in range(-2, times):
        # Another address each time, so that no pause refuses the attempt.
        for kind, user in (("known", f"user.{max(number, 0)}"), ("unknown", f"nobody.{number}")):
            start, cpu_start = time.perf_counter(), time.process_time()
            with contextlib.suppress(Unauthenticated):
                stub.SignIn(sign_in_pb2.SignInRequest(user=user, password="wrong", address=f"10.0.{number + 9}.1"))
            if number >= 0:
                wall[kind].append((time.perf_counter() - start) * 1e3)
                cpu[kind].append((time.process_time() - cpu_start) * 1e3)
    for kind in wall:
        print(f"sign-in, {kind:13} {_middle_and_p95(wall[kind])}   CPU time {_middle_and_p95(cpu[kind])}")


def _measure_tokens(state: TokenState, tokens: list[str]) -> None:
    """Print the CPU time of the first check of a token, of its signature alone, and of a further check."""
    verifier = TokenVerifier(lambda: state)
    key = next(iter(state.keys.values()))
    first, signatures = [], []
    for token in tokens:
        start = time.thread_time()
        verifier.verify(f"Bearer {token}")
        first.append(time.thread_time() - start)
        signed, _, signature = token.rpartition(".")
        message = base64.urlsafe_b64decode(signature + "==") + signed.encode()
        start = time.thread_time()
        crypto_sign_open(message, key)
        signatures.append(time.thread_time() - start)
    start = time.thread_time()
    for _ in range(20_000):
        verifier.verify(f"Bearer {tokens[0]}")
    again = (time.thread_time() - start) / 20_000
    print(
        f"check of a token: {statistics.median(first) * 1e3:.3f} ms first, of which "
        f"{statistics.median(signatures) * 1e3:.3f} ms is the signature; {again * 1e3:.4f} ms then (CPU time)"
    )


def _report(name: str, call: Callable[[], object], times: int = 600) -> None:
    for _ in range(20):
        call()
    wall, cpu = [], []
    for _ in range(times):
        start, cpu_start = time.perf_counter(), time.process_time()
        call()
        cpu.append((time.process_time() - cpu_start) * 1e3)
        wall.append((time.perf_counter() - start) * 1e3)
    print(f"{name:22} {_middle_and_p95(wall)}   CPU time {_middle_and_p95(cpu)}")


def _middle_and_p95(milliseconds: list[float]) -> str:
    p95 = statistics.quantiles(milliseconds, n=20)[18]
    return f"p50 {statistics.median(milliseconds):6.2f} ms   p95 {p95:6.2f} ms"


def _word(rng: random.Random) -> str:
    """Make a name of three syllables."""
    return "".join(rng.choice("bcdfghjklmnprst") + rng.choice("aiueo") for _ in range(3)).title()


def _write(file: Path, size: int, rng: random.Random, middle: list[str]) -> None:
    columns = ["nomor", "nama", "nik", "hp", "tgl lahir", "alamat", "kategori", "sekolah", "kelas", "wali"]
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, delimiter=";")
        writer.writerow(columns)
        for number in range(size):
            name = f"{rng.choice(FIRST)} {rng.choice(middle)} {rng.choice(LAST)}"
            born = f"{rng.randint(1, 28)}/{rng.randint(1, 12)}/{rng.randint(1960, 2015)}"
            school, group = f"SMAN {rng.randint(1, 20)} Solok", f"X IPA {rng.randint(1, 5)}"
            row = [f"A{number:06}", name, f"137201{number:010}", f"0812{number:08}", born, f"Jl. Pandan {number}"]
            writer.writerow([*row, "pelajar", school, group, "Ibu"])


if __name__ == "__main__":
    main()
