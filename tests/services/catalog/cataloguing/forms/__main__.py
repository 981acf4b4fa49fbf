"""`python -m tests.services.catalog.cataloguing.forms`: every record of all sets at hand; `make soak` runs it."""

from __future__ import annotations

import sys

from tests.services.catalog.cataloguing.forms.whole_records import every_record, losses

count = 0
lost = []
for name, record in every_record():
    count += 1
    if loss := losses(record):
        lost.append(f"{name}: {loss}")
print(f"{count} records through form and text: {len(lost)} lose something", *lost, sep="\n", flush=True)
sys.exit(bool(lost) or not count)
