"""What goes wrong with any index, in one wording."""

from __future__ import annotations

from chassis.errors import LocalText, Unavailable


def building() -> Unavailable:
    return Unavailable(
        "INDEX_BUILDING",
        LocalText(
            "Indeks pencarian sedang dibuat. Coba lagi sebentar lagi.",
            "The search index is being built. Try again shortly.",
        ),
    )


def unavailable(why: object) -> Unavailable:
    return Unavailable(
        "SEARCH_UNAVAILABLE",
        LocalText("Pencarian sedang tidak dapat dipakai.", "Search is not available at the moment."),
        why=str(why),
    )


def not_written(why: object) -> Unavailable:
    return Unavailable(
        "INDEX_NOT_WRITTEN",
        LocalText("Indeks tidak dapat ditulis: {why}", "The index could not be written: {why}"),
        why=str(why),
    )
