"""The import of members, in batches of rows with a transaction each. A repeated import changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.security.encryption import MasterKey
from services.members.importing.files import ColumnMap, Rows
from services.members.importing.rows import Finding, Row, convert
from services.members.people import categories, drafts, events, names, numbers, rules, sealed, store
from services.members.tables import Card, Category, Member, MemberLookup

BATCH = 500

FALLBACK = "umum"


class _DryRun(Exception):
    """Rolls back a transaction in a dry run."""


@dataclass(slots=True)
class Counts:
    """Numbers of rows by result.

    put_aside         rejected rows
    warnings          findings of columns and of rows that were stored
    without_category  new members who became FALLBACK, because their row has no category
    categories        category -> numbers of members created and updated, the number whose last day was computed from
                      the category, and the first and last of these members' last days; "" for none
    """

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    put_aside: int = 0
    warnings: int = 0
    without_category: int = 0
    categories: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, category: str, result: str, ends: str, *, computed: bool) -> None:
        """Count a member. result: "created" or "updated"; ends: last day, ISO 8601."""
        setattr(self, result, getattr(self, result) + 1)
        empty = {"created": 0, "updated": 0, "computed": 0, "expires_from": "", "expires_to": ""}
        row = self.categories.setdefault(category, empty)
        row[result] += 1
        row["computed"] += computed
        if ends:
            row["expires_from"] = min(row["expires_from"] or ends, ends)
            row["expires_to"] = max(row["expires_to"], ends)


class Import:
    """One run of an import.

    context  the operator's context; rows and events belong to the institution
    report   called with each finding, in the order of rows
    """

    def __init__(
        self, database: Database, context: Context, *, institution_id: UUID, master: MasterKey, dry_run: bool,
        report: Callable[[Finding], None],
    ) -> None:  # fmt: skip
        self._database, self._master, self._dry_run, self._report = database, master, dry_run, report
        self._institution_id = institution_id
        self._context = store.of_institution(context, institution_id)
        self._seen: dict[object, int] = {}
        self._has_categories = False
        self.counts = Counts()

    def run(self, rows: Rows, mapping: ColumnMap) -> Counts:
        """Store the rows. After a database error the earlier transactions stay stored."""
        for title in rows.unread:
            self._warn(Finding(rows.header, "IMPORT_COLUMN_UNREAD", facts={"column": title}))
        self._has_categories = "category" in rows.columns.values()
        source = iter(rows)
        while batch := [convert(number, cells, mapping) for number, cells in islice(source, BATCH)]:
            before = asdict(self.counts)
            with suppress(_DryRun):
                self._database.run(self._context, partial(self._store, batch=batch, before=before))
            for row in batch:
                for finding in row.findings:
                    self._report(finding)
        if self.counts.without_category and not self._has_categories:
            without = {"count": self.counts.without_category, "category": FALLBACK}
            self._warn(Finding(rows.header, "IMPORT_NO_CATEGORIES", "category", without))
        return self.counts

    def _warn(self, finding: Finding) -> None:
        self.counts.warnings += 1
        self._report(finding)

    def _store(self, session: Session, batch: list[Row], before: dict[str, Any]) -> None:
        """Store a batch. The database may run this twice, when another writer was first."""
        self.counts = Counts(**deepcopy(before))
        numbers.lock(session, self._institution_id)
        for row in batch:
            del row.findings[row.converted :]
        work = _Batch(session, self._institution_id, self._master, self._context)
        self.counts.read += len(batch)
        work.find(batch)
        for row in batch:
            self._one(work, row)
        changed = work.write()
        for row in batch:
            self.counts.put_aside += row.is_put_aside()
            self.counts.warnings += 0 if row.is_put_aside() else len(row.findings)
        if changed:
            done = {name: getattr(self.counts, name) - before[name] for name in ("created", "updated")}
            audit.record(
                session, self._context, "members.import", kind="institution", object_id=self._institution_id, facts=done
            )
        if self._dry_run:
            raise _DryRun

    def _one(self, batch: _Batch, row: Row) -> None:
        if row.is_put_aside():
            return
        has_category = bool(row.fields.get("category"))
        if has_category and batch.category_of(row, None) is None:
            return
        keys = batch.keys_of(row)
        first = next((self._seen[key] for key in keys if self._seen.get(key, row.number) != row.number), None)
        if first is not None:
            row.add_finding("IMPORT_ROW_REPEATED", rejected=True, first=first)
            return
        self._seen.update(dict.fromkeys(keys, row.number))
        member = batch.member_of(row)
        if row.is_put_aside():
            return
        if member is None and not has_category:
            row.fields["category"] = FALLBACK
        category = batch.category_of(row, member)
        if category is None:
            return
        if member is None and not has_category:
            self.counts.without_category += 1
            if self._has_categories:
                row.add_finding("IMPORT_CATEGORY_ASSUMED", "category", category=FALLBACK)
        self._write(batch, row, member, category)

    def _write(self, batch: _Batch, row: Row, member: Member | None, category: Category) -> None:
        stored = batch.values_of(member) if member is not None else {}
        wanted = {name: value for name, value in row.fields.items() if value}
        today = clock.now().date()
        for refusal in rules.refusals(rules.MemberInputs("", stored | wanted, category, today)):
            # Earlier systems have many children without a guardian. They are imported with a warning; the desk asks.
            row.add_finding(refusal.reason, **refusal.facts)
        computed = "expires_on" not in wanted
        if member is None:
            ends = batch.create(row, wanted, category)
            self.counts.add(category.code, "created", ends, computed=computed and bool(ends))
            return
        if computed:
            wanted |= batch.corrected_end(member, category)
        if batch.change(member, stored, wanted, row):
            ends = member.expires_on.isoformat() if member.expires_on else ""
            self.counts.add(category.code, "updated", ends, computed=computed and "expires_on" in wanted)
        else:
            self.counts.unchanged += 1


class _Batch:
    """The stored members of one batch's rows, and the changes to write."""

    def __init__(self, session: Session, institution_id: UUID, master: MasterKey, context: Context) -> None:
        self._session, self._institution_id, self._master, self._context = session, institution_id, master, context
        self._categories = {category.code: category for category in categories.fill(session, institution_id)}
        self._by_code: dict[str, UUID] = {}
        self._by_hash: dict[tuple[str, bytes], UUID] = {}
        self._hashes: dict[int, dict[str, bytes]] = {}
        self._members: dict[UUID, Member] = {}
        self._drafts: list[tuple[drafts.Draft, str]] = []
        self._changed: list[Member] = []

    def find(self, rows: list[Row]) -> None:
        """Read the members of these rows by number, alias or NIK; else by name, birth date, contact and class."""
        codes = [code for row in rows for code in (row.code, *row.aliases) if code]
        query = select(Card.code, Card.member_id).where(Card.institution_id == self._institution_id)
        for chunk in _parts(codes):
            found_codes = self._session.execute(query.where(Card.code.in_(chunk)))
            self._by_code.update({row.code: row.member_id for row in found_codes})
        for row in rows:
            if not row.is_put_aside():
                self._hashes[row.number] = self._hashes_of(row)
        hash_values = [hashes[kind] for hashes in self._hashes.values() for kind in ("nik", "import") if kind in hashes]
        lookup = MemberLookup
        for chunk in _parts(hash_values):
            rows_of_hash = self._session.execute(
                select(lookup.kind, lookup.hash, lookup.member_id).where(
                    lookup.institution_id == self._institution_id,
                    lookup.kind.in_(("nik", "import")),
                    lookup.hash.in_(chunk),
                )
            )
            self._by_hash.update({(row.kind, bytes(row.hash)): row.member_id for row in rows_of_hash})
        ids = [*self._by_code.values(), *self._by_hash.values()]
        for chunk in _parts(ids):
            query_members = select(Member).where(Member.id.in_(chunk))
            self._members.update({member.id: member for member in self._session.scalars(query_members)})

    def _hashes_of(self, row: Row) -> dict[str, bytes]:
        hashes = sealed.hashes_of(row.fields, institution_id=self._institution_id, master=self._master)
        if not (row.code or row.aliases or "nik" in hashes):
            named = (" ".join(names.name_words(row.fields.get("name", ""))), *(
                row.fields.get(name, "") for name in ("birth_date", "phone", "email", "school", "group")
            ))  # fmt: skip
            hashes["import"] = sealed.hash_of(
                "import", "\0".join(named), institution_id=self._institution_id, master=self._master
            )
        return hashes

    def keys_of(self, row: Row) -> list[object]:
        """Return the keys that identify the person of a row within the file."""
        hashes = self._hashes[row.number]
        return [
            *filter(None, (row.code, *row.aliases)),
            *((kind, value) for kind, value in hashes.items() if kind in ("nik", "import")),
        ]

    def category_of(self, row: Row, member: Member | None) -> Category | None:
        """Return the category of a row, else of its stored member; None, with a finding, when it is unknown."""
        code = row.fields.get("category") or (member.category if member is not None else "")
        category = self._categories.get(code)
        if category is None:
            row.add_finding("CATEGORY_UNKNOWN", "category", rejected=True, given=code, known=[*self._categories])
        return category

    def corrected_end(self, member: Member, category: Category) -> dict[str, str]:
        """Return the new last day of a member whose category changes, as a field; empty if the last day was given.

        The last day was computed if it is that of the stored category from the day of registration.
        """
        before, begin = self._categories.get(member.category), member.registered_at.date()
        if before is None or before.code == category.code or member.expires_on != categories.end_of(before, begin):
            return {}
        ends = categories.end_of(category, begin)
        return {"expires_on": ends.isoformat() if ends else ""}

    def member_of(self, row: Row) -> Member | None:
        """Return the stored member of a row; None, with a finding, when its numbers belong to several members."""
        hashes = self._hashes[row.number]
        ids = {self._by_code[code] for code in (row.code, *row.aliases) if code in self._by_code}
        by_hash = {self._by_hash[key] for key in hashes.items() if key in self._by_hash}
        if len(ids | by_hash) > 1:
            reason = "NIK_IN_USE" if len(ids) <= 1 else "CARD_NUMBER_IN_USE"
            holder_id = min(by_hash or ids)
            holder = self._members.get(holder_id)
            number = holder.number if holder is not None and holder.number else "–"
            row.add_finding(reason, rejected=True, member=str(holder_id), number=number)
            return None
        return next((self._members[member_id] for member_id in ids | by_hash if member_id in self._members), None)

    def values_of(self, member: Member) -> dict[str, str]:
        return drafts.all_values(member, self._master)

    def create(self, row: Row, wanted: dict[str, str], category: Category) -> str:
        """Prepare the rows of a new member. Returns the last day, ISO 8601; "" for none."""
        now = clock.now()
        ends = wanted.get("expires_on", "")
        draft = drafts.draft(
            wanted,
            institution_id=self._institution_id,
            master=self._master,
            at=now,
            expires_on=date.fromisoformat(ends) if ends else categories.end_of(category, now.date()),
            hashes=self._hashes[row.number],
        )
        owner: dict[str, Any] = {"institution_id": self._institution_id, "member_id": draft.member["id"]}
        draft.cards = [
            drafts.card_row(code, kind, at=now, **owner) for code, kind in row.aliases.items() if code != row.code
        ]
        self._drafts.append((draft, row.code))
        last_day: date | None = draft.member["expires_on"]
        return last_day.isoformat() if last_day else ""

    def change(self, member: Member, stored: dict[str, str], wanted: dict[str, str], row: Row) -> bool:
        """Write the values and aliases that the stored member does not have; empty cells change nothing.

        returns  whether anything changed
        """
        member_changes = {name: value for name, value in wanted.items() if stored.get(name, "") != value}
        aliases = [code for code in row.aliases if code not in self._by_code]
        if member.merged_into is not None or not (member_changes or aliases):
            return False
        if member_changes:
            store.write_values(self._session, member, stored, stored | member_changes, self._context, self._master)
        if aliases:
            owner: dict[str, Any] = {"institution_id": self._institution_id, "member_id": member.id}
            rows = [drafts.card_row(code, row.aliases[code], at=clock.now(), **owner) for code in aliases]
            drafts.write_cards(self._session, rows)
            store.touch(member, ["cards"])
        self._changed.append(member)
        return True

    def write(self) -> bool:
        """Write the new members and emit the events; return whether anything was written."""
        without = [draft for draft, code in self._drafts if not code]
        new_numbers = iter(numbers.take_numbers(self._session, self._institution_id, len(without)) if without else ())
        for draft, code in self._drafts:
            draft.member["number"] = code or next(new_numbers)
            owner: dict[str, Any] = {"institution_id": self._institution_id, "member_id": draft.member["id"]}
            kind, at = ("old_card" if code else "card"), draft.member["registered_at"]
            draft.cards.insert(0, drafts.card_row(draft.member["number"], kind, at=at, has_qr=True, **owner))
        created = [draft for draft, _ in self._drafts]
        drafts.write(self._session, created)
        self._session.flush()
        if created:
            organisations = {code for code, category in self._categories.items() if category.kind == "organisation"}
            events.emit_imported(self._session, created, organisations, self._context)
        if self._changed:
            events.emit_changed(self._session, self._changed, self._context)
        return bool(created or self._changed)


def _parts(values: list[Any]) -> Iterator[list[Any]]:
    """Split a list into parts for IN (…), which has a limit."""
    for start in range(0, len(values), BATCH):
        yield values[start : start + BATCH]
