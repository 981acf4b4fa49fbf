"""The files of the metrics in DATA/metrics: each process adds to its own file, and any process can sum up all files.

A process takes the first free slot, which is a locked file. Its counters continue those of the slot's former holder, so
a restart loses nothing, and there are at most as many files as processes that ran together. When a process dies, the
kernel frees the lock. Gauges of a slot without a holder are not shown. A kill -9 does not damage the mapped files. A
file that a power cut has damaged is deleted; Prometheus treats that as a reset of the counters.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import struct
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from operator import add
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from chassis.metrics import Sample

log = logging.getLogger(__name__)

# Change it when the name or labels of a counter or histogram change; otherwise old files add the old ones.
FORM = "1"
MOST_SLOTS = 256
# Allocated before use, because a write to a mapped file kills the process if the full disk cannot extend the file.
FILE_BYTES = {"counter": 1 << 17, "histogram": 1 << 21}
SAMPLE_SECONDS = 5.0
# Older samples of a service are not shown, so that one sees that no process takes them.
FRESH_SECONDS = 6 * SAMPLE_SECONDS


class Store:
    """The metrics of this process, and the folder with those of all processes.

    folder   DATA/metrics
    process  name of the process in `rangkiang_processes`
    raises   OSError  the folder cannot be used, the disk is full, or no slot is free
    """

    def __init__(self, folder: Path, process: str) -> None:
        self.folder = folder / FORM
        self.process = process
        self.own = [_process_sample(process)]  # gauges of this process that never change
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.slot, self._handle = self._take_slot()
        self._lock = threading.Lock()
        self._files: dict[str, MmapedDict] = {}
        self._values: dict[str, float] = {}  # key -> value in the file
        for kind, size in FILE_BYTES.items():
            path = self.folder / f"{kind}_{self.slot}.db"
            _prepare(path, size)
            self._files[kind] = MmapedDict(str(path))  # type: ignore[no-untyped-call]

    def histogram(
        self, name: str, text: str, labels: Mapping[str, str], bounds: Sequence[float]
    ) -> Callable[[float], None]:
        """Return the function that adds a value to the histogram with these labels.

        bounds  upper bounds of the buckets, ascending; a last bucket without a bound is added
        """
        sum_key = mmap_key(name, f"{name}_sum", list(labels), list(labels.values()), text)
        # In the library's form: "0.005", "+Inf".
        limits = [*map(str, bounds), "+Inf"]
        bucket_keys = [
            mmap_key(name, f"{name}_bucket", [*labels, "le"], [*labels.values(), limit], text) for limit in limits
        ]
        for key in (sum_key, *bucket_keys):
            self._add("histogram", (key, 0.0))  # Prometheus expects every bucket from the beginning

        def observe(value: float) -> None:
            self._add("histogram", (sum_key, value), (bucket_keys[bisect_left(bounds, value)], 1.0))

        return observe

    def counter(self, name: str, text: str, labels: Mapping[str, str]) -> Callable[[], None]:
        """Return the function that adds one to the counter with these labels. name  without `_total`"""
        key = mmap_key(name, f"{name}_total", list(labels), list(labels.values()), text)
        return lambda: self._add("counter", (key, 1.0))

    def _add(self, kind: str, *amounts: tuple[str, float]) -> None:
        """Add to numbers of a file; a new number begins at 0.

        The library's histograms take twice as long, because each number has its own lock and file position.
        """
        file, values = self._files[kind], self._values
        with self._lock:
            for key, amount in amounts:
                value = values[key] if key in values else file.read_value(key)[0]  # type: ignore[no-untyped-call]
                values[key] = value = value + amount
                file.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]

    def write_gauges(self, samples: Iterable[Sample]) -> None:
        """Replace the gauges of this process; shown are the sums over all processes, of times the earliest.

        raises  OSError
        """
        _write_samples(self.folder / f"process-{self.slot}.json", [*samples, *self.own])

    def write_service(self, service: str, samples: Iterable[Sample]) -> None:
        """Replace the samples of a service, also those of another process. Raises OSError."""
        _write_samples(self.folder / f"service-{service}.json", samples)

    def service_samples(self, service: str) -> list[Sample]:
        """Return the last samples of a service, of any age; empty if they cannot be read."""
        return _read_samples(self.folder / f"service-{service}.json")

    def lock(self, name: str) -> int | None:
        """Take a lock of this machine until its handle is closed or the process ends; None if another has it."""
        return _lock(self.folder / f"{name}.lock")

    def families(self) -> list[Metric]:
        """Return all metrics of all processes of this machine."""
        counts = _merge([str(path) for path in sorted(self.folder.glob("*.db"))])
        return [*counts, *_families(self._live_samples())]

    @property
    def since(self) -> int:
        """Return the start of this machine's counters, nanoseconds of Unix time."""
        return (self.folder / "slot-0.lock").stat().st_mtime_ns

    def close(self) -> None:
        self._files.clear()
        os.close(self._handle)

    def _take_slot(self) -> tuple[int, int]:
        for slot in range(MOST_SLOTS):
            handle = _lock(self.folder / f"slot-{slot}.lock")
            if handle is not None:
                (self.folder / f"process-{slot}.json").unlink(missing_ok=True)
                return slot, handle
        raise OSError(0, f"{MOST_SLOTS} processes have metrics", str(self.folder))

    def _live_samples(self) -> Iterator[Sample]:
        """Yield the samples of services, and the sums of the gauges of running processes."""
        sums: dict[tuple[str, ...], Sample] = {}
        for path in self.folder.glob("process-*.json"):
            slot = path.stem.partition("-")[2]
            for sample in _read_samples(path) if self._is_running(slot) else ():
                key = (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items())))
                join = min if sample.name.endswith("_timestamp_seconds") else add
                value = join(sums[key].value, sample.value) if key in sums else sample.value
                sums[key] = replace(sample, value=value)
        yield from sums.values()
        for path in self.folder.glob("service-*.json"):
            age = max(0.0, time.time() - path.stat().st_mtime)
            service = path.stem.partition("-")[2]
            yield Sample("rangkiang_sample_age_seconds", "Age of a service's samples", age, {"service": service})
            if age < FRESH_SECONDS:
                yield from _read_samples(path)

    def _is_running(self, slot: str) -> bool:
        if slot == str(self.slot):
            return True
        handle = _lock(self.folder / f"slot-{slot}.lock", shared=True)
        if handle is None:
            return True
        os.close(handle)
        return False


def _process_sample(process: str) -> Sample:
    return Sample("rangkiang_processes", "Running processes of this machine", 1.0, {"process": process})


def _lock(path: Path, *, shared: bool = False) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _prepare(path: Path, size: int) -> None:
    """Delete a damaged file, and allocate the blocks of the file. Raises OSError, also on a full disk."""
    if path.exists() and not _is_sound(path):
        log.warning("metrics_file_damaged", extra={"file": str(path)})
        path.unlink()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(handle, 0, size)
    finally:
        os.close(handle)


def _is_sound(path: Path) -> bool:
    try:
        MultiProcessCollector.merge([str(path)])  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, TypeError, AttributeError, struct.error):
        return False
    return True


def _merge(paths: list[str]) -> list[Metric]:
    try:
        return list(MultiProcessCollector.merge(paths))  # type: ignore[no-untyped-call]
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError, struct.error):
        sound = [path for path in paths if _is_sound(Path(path))]
        return list(MultiProcessCollector.merge(sound))  # type: ignore[no-untyped-call]


def _write_samples(path: Path, samples: Iterable[Sample]) -> None:
    """Replace the file in one step, so that no reader sees an incomplete file."""
    new = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")
    try:
        new.write_text(json.dumps([asdict(sample) for sample in samples]), encoding="utf-8")
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _read_samples(path: Path) -> list[Sample]:
    try:
        return [Sample(**values) for values in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def _families(samples: Iterable[Sample]) -> list[Metric]:
    families: dict[str, Any] = {}
    for sample in samples:
        family = families.get(sample.name)
        if family is None:
            kind = CounterMetricFamily if sample.kind == "counter" else GaugeMetricFamily
            family = families[sample.name] = kind(sample.name, sample.help, labels=sorted(sample.labels))
        family.add_metric([sample.labels[name] for name in sorted(sample.labels)], sample.value)
    return list(families.values())
