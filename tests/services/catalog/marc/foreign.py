"""What yaz-marcdump and pymarc read, record by record, in the shape of our fields."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pymarc

from services.catalog.marc import iso2709
from services.catalog.marc.record import Field, Record, is_control, subfields

# Written after each record, so that we know what was said of which, however many records yaz makes of one.
_END = "end of record"
_SENTINEL = iso2709.encode(Record(fields=[["001", _END], ["245", "00", "a", _END]]))


def by_yaz(raws: Sequence[bytes], folder: Path, *, marc8: bool = False) -> list[list[Field] | None]:
    """The fields yaz reads of each; None of what it reads nothing of, or makes two records of."""
    marcdump = shutil.which("yaz-marcdump")
    assert marcdump, "yaz-marcdump is missing: apt-get install yaz"
    sentinel = folder / "sentinel"
    sentinel.write_bytes(_SENTINEL)
    paths = []
    for number, raw in enumerate(raws):
        path = folder / str(number)
        path.write_bytes(raw)
        paths += [path.name, sentinel.name]
    convert = ["-f", "marc8", "-t", "utf-8"] if marc8 else []
    process = subprocess.run([marcdump, *convert, "-o", "json", *paths], cwd=folder, capture_output=True, check=False)
    return [_single_record(output) for output in _parse_output(process.stdout.decode("utf-8", "surrogateescape"))]


def _parse_output(text: str) -> list[list[Any]]:
    """The records that yaz made of each of its files."""
    reader, at = json.JSONDecoder(strict=False), 0
    outputs: list[list[Any]] = []
    parsed_records: list[Any] = []
    while (at := text.find('{\n  "leader"', at)) >= 0:
        try:
            record, at = reader.raw_decode(text, at)
        except json.JSONDecodeError:
            parsed_records.append(None)
            at += 1
            continue
        if record["fields"] and record["fields"][0] == {"001": _END}:
            outputs.append(parsed_records)
            parsed_records = []
        else:
            parsed_records.append(record)
    return outputs


def _single_record(records: list[Any]) -> list[Field] | None:
    if len(records) != 1 or records[0] is None:
        return None
    fields: list[Field] = []
    for field in records[0]["fields"]:
        ((tag, content),) = field.items()
        if isinstance(content, str):
            fields.append([tag, content])
        else:
            parts = [part for subfield in content["subfields"] for part in next(iter(subfield.items()))]
            fields.append([tag, content.get("ind1", "") + content.get("ind2", ""), *parts])
    return fields


def by_pymarc(raw: bytes) -> list[Field] | None:
    """The fields pymarc reads; None of what it refuses."""
    reader = pymarc.MARCReader(io.BytesIO(raw), to_unicode=True, permissive=True, hide_utf8_warnings=True)
    record = next(iter(reader), None)
    if record is None:
        return None
    return [
        [field.tag, field.data or ""]
        if field.control_field
        else [field.tag, "".join(field.indicators), *(part for subfield in field.subfields for part in subfield)]
        for field in record.fields
    ]


def alike(fields: Sequence[Field]) -> list[Field]:
    """Fields as all three can say them: composed, without what stands outside subfields."""
    return [
        [normalize("NFC", part) for part in field]
        if is_control(field)
        else [
            field[0],
            field[1],
            *(normalize("NFC", part) for code, value in subfields(field) if code for part in (code, value)),
        ]
        for field in fields
    ]
