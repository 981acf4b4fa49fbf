"""Pages for cataloguers: what waits for them, new books, records, items, labels and files."""

from __future__ import annotations

from gateway.web.cataloguing import (
    drafts,
    fast_adds,
    home,
    item_moves,
    items,
    labels,
    new_book,
    offers,
    record_edits,
    register,
    register_rules,
    tasks,
    versions,
)

MODULES = (
    home,
    new_book,
    drafts,
    fast_adds,
    item_moves,
    items,
    labels,
    offers,
    record_edits,
    # Precedes `register`, because /catalogue/register/{id} also matches /catalogue/register/rules.
    register_rules,
    register,
    tasks,
    versions,
)
