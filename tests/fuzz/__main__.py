"""`make fuzz`: run each target for FUZZ_SECONDS, guided by coverage; inputs that break a target are kept in var/fuzz.

python -m tests.fuzz            all targets, one after the other
python -m tests.fuzz TARGET …   one target with arguments of libFuzzer; the name of a file runs that file again
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["services.catalog", "chassis"], enable_loader_override=False):
    from tests.fuzz.seeds import SEEDS, TOKENS
    from tests.fuzz.targets import TARGETS

FOLDER = Path("var/fuzz")
LONGEST_BYTES = 4_096


def fuzz(name: str, arguments: list[str]) -> None:
    """Run one target; does not return, as libFuzzer ends the process."""
    target = TARGETS[name]

    def run_once(raw: bytes) -> None:
        target(raw)

    atheris.Setup([name, *arguments], run_once)
    atheris.Fuzz()


def _escaped(token: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in token)


def main() -> int:
    seconds = int(os.environ.get("FUZZ_SECONDS") or 60)
    failed = []
    for name in TARGETS:
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(SEEDS[name]):
            (folder / f"seed{number}").write_bytes(seed)
        dictionary = FOLDER / f"{name}.dict"
        dictionary.write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS[name]))
        arguments = [f"-max_total_time={seconds}", f"-max_len={LONGEST_BYTES}", f"-dict={dictionary}", "-timeout=10"]
        arguments += [f"-artifact_prefix={folder}-broken-", "-print_final_stats=1", str(folder)]
        print(f"fuzzing {name} for {seconds} s", flush=True)
        if subprocess.run([sys.executable, "-m", "tests.fuzz", name, *arguments]).returncode:
            failed.append(name)
    print(f"broken: {', '.join(failed)}; see {FOLDER}" if failed else "no target broke")
    return len(failed)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        fuzz(sys.argv[1], sys.argv[2:])
    sys.exit(main())
