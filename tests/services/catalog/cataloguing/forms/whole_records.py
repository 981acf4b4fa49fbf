"""Records of all sets at hand, and what must hold of each: neither view of a record loses anything of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from services.catalog.cataloguing.forms.definitions import FORMS, RecordForm, material_of
from services.catalog.cataloguing.forms.marc_text import read_text, write_text
from services.catalog.cataloguing.forms.record_form import compose, rows_of
from services.catalog.marc.faults import MarcError
from services.catalog.marc.readers import decode
from services.catalog.marc.record import Record
from tests import corpus
from tests.services.catalog.marc.samples import read

TODAY = date(2026, 12, 2)


def every_record(*, of_each_file: int = 0) -> Iterator[tuple[str, Record]]:
    """Yield (name, record) of all files, also of damaged ones; or only so many of each file, spread over it."""
    for file in (*corpus.sound_files(), *corpus.damaged_files()):
        frames = read(file.read())
        step = max(1, len(frames) // of_each_file) if of_each_file else 1
        for frame in frames[::step]:
            try:
                yield f"{file.name} {frame.number}", decode(frame).record
            except MarcError:
                continue


def form_of(record: Record) -> RecordForm:
    return FORMS[material_of(record)]


def values_of(record: Record, form: RecordForm) -> dict[str, str]:
    """The values of a form as a browser sends them back."""
    return {
        each.name: each.value for field in form.fields for row in rows_of(record, field, added=1) for each in row.inputs
    }


def losses(record: Record) -> str:
    """What a view loses of a record; "" when both give it back."""
    if read_text(write_text(record)) != (record, []):
        return "text"
    for form in {form_of(record).material: form_of(record), "book": FORMS["book"]}.values():
        if compose(record, form, values_of(record, form), today=TODAY) != record:
            return form.material
    return ""
