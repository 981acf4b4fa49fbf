"""Findings of an import: for each reason the number of rejected or doubtful records, with a few examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from services.catalog.importing.decode import PreparedBatch, Rejected
from services.catalog.importing.upsert import Outcome

MOST_EXAMPLES = 3
LONGEST_TEXT = 120  # characters of an example's key and detail


@dataclass(slots=True)
class Finding:
    """One reason. put_aside: its records were rejected; examples: path, record, key and detail of the first records."""

    reason: str
    put_aside: bool
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Findings:
    """Findings of an import, in the order in which they first occurred."""

    by_reason: dict[tuple[str, bool], Finding] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Findings:
        """Parse the output of `text`."""
        rows = [Finding(**row) for row in orjson.loads(text)]
        return cls({(row.reason, row.put_aside): row for row in rows})

    def text(self) -> str:
        """Write the findings as JSON."""
        return orjson.dumps(self.rows()).decode()

    def rows(self) -> list[dict[str, Any]]:
        """List the findings: rejected records first, then the most frequent."""
        ordered = sorted(self.by_reason.values(), key=lambda finding: (not finding.put_aside, -finding.count))
        return [
            {"reason": row.reason, "put_aside": row.put_aside, "count": row.count, "examples": row.examples}
            for row in ordered
        ]

    def include(self, other: Findings) -> None:
        """Add the findings of another import."""
        for key, row in other.by_reason.items():
            mine = self.by_reason.setdefault(key, Finding(row.reason, row.put_aside))
            mine.count += row.count
            mine.examples = [*mine.examples, *row.examples][:MOST_EXAMPLES]

    def add(self, problem: Rejected) -> None:
        key = (problem.reason, not problem.loaded)
        finding = self.by_reason.setdefault(key, Finding(problem.reason, not problem.loaded))
        finding.count += 1
        if len(finding.examples) < MOST_EXAMPLES:
            texts = {"key": problem.key[:LONGEST_TEXT], "detail": problem.detail[:LONGEST_TEXT]}
            finding.examples.append({"path": problem.path, "record": problem.ordinal, **texts})


def problems_of(path: str, prepared: PreparedBatch, outcome: Outcome) -> list[Rejected]:
    """List the rejected records and the warnings of a batch."""
    records = {record.ordinal: record for record in prepared.incoming} if outcome.warnings else {}
    warnings = [
        Rejected(
            path, ordinal, records[ordinal].position, code, "", loaded=True, key=records[ordinal].key,
            title=orjson.loads(records[ordinal].brief)["title"][:LONGEST_TEXT],
        )
        for ordinal, code in outcome.warnings
    ]  # fmt: skip
    return [*prepared.rejected, *warnings]
