"""Categories of members. Each institution has its own; at the first use the defaults of its kind are stored."""

from __future__ import annotations

import calendar
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.database.sql import insert_ignore
from chassis.errors import Refusal
from services.members.tables import Category, Institution

# Code, Indonesian and English name, months, kind.
_CITY = (
    ("anak", "Anak", "Child", 24, "child"),
    ("pelajar", "Pelajar", "Pupil", 12, "pupil"),
    ("mahasiswa", "Mahasiswa", "Student", 12, "person"),
    ("umum", "Umum", "General public", 24, "person"),
    ("pegawai", "Pegawai", "Employee", 24, "person"),
    ("luar-daerah", "Luar daerah", "From elsewhere", 12, "person"),
    ("lembaga", "Lembaga", "Organisation", 12, "organisation"),
)
_UNIVERSITY = (
    ("mahasiswa", "Mahasiswa", "Student", 12, "person"),
    ("dosen", "Dosen", "Lecturer", 0, "person"),
    ("tendik", "Tenaga kependidikan", "Staff", 0, "person"),
    ("alumni", "Alumni", "Graduate", 12, "person"),
    ("tamu-mitra", "Tamu mitra", "Guest of a partner", 6, "person"),
)
_SEEDS = {"university": _UNIVERSITY, "academic": _UNIVERSITY}


def categories_of(session: Session, institution_id: UUID) -> list[Category]:
    """Return the categories of an institution in their order."""
    rows = session.scalars(
        select(Category).where(Category.institution_id == institution_id).order_by(Category.position, Category.code)
    )
    return list(rows)


def seeds_of(kind: str) -> list[Category]:
    """Return the default categories of a kind of institution, not stored."""
    return [
        Category(code=code, position=position, name_id=name_id, name_en=name_en, months=months, kind=member_kind)
        for position, (code, name_id, name_en, months, member_kind) in enumerate(_SEEDS.get(kind, _CITY))
    ]


def fill(session: Session, institution_id: UUID) -> list[Category]:
    """Return the categories of an institution; store the defaults when it has none."""
    categories = categories_of(session, institution_id)
    if categories:
        return categories
    kind = session.scalar(select(Institution.kind).where(Institution.id == institution_id)) or ""
    rows = [
        {
            "institution_id": institution_id,
            "code": seed.code,
            "position": seed.position,
            "name_id": seed.name_id,
            "name_en": seed.name_en,
            "months": seed.months,
            "kind": seed.kind,
        }
        for seed in seeds_of(kind)
    ]
    insert_ignore(session, Category, rows)
    return categories_of(session, institution_id)


def find_category(categories: list[Category], code: str) -> Category | None:
    return next((category for category in categories if category.code == code), None)


def unknown_category(categories: list[Category], given: str) -> Refusal:
    codes = [category.code for category in categories]
    return Refusal("CATEGORY_UNKNOWN", field="category", given=given, known=codes)


def end_of(category: Category, begin: date) -> date | None:
    """Return the last day of a membership that begins on this day; None when the category has no end."""
    if not category.months:
        return None
    year, month = divmod(begin.month - 1 + category.months, 12)
    year, month = begin.year + year, month + 1
    return date(year, month, min(begin.day, calendar.monthrange(year, month)[1]))
