"""A few books; the title of one is a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCRIPT = "<script>alert('surau')</script>"
BRANCHES = {
    ("KOTASOLOK", "PUSAT"): ("Perpustakaan Pusat", "Central Library"),
    ("KOTASOLOK", "LAING"): ("Cabang Laing", "Laing Branch"),
    ("UMMY", "KAMPUS"): ("Perpustakaan Kampus", "Campus Library"),
}
INSTITUTIONS = {
    "KOTASOLOK": ("Perpustakaan Kota Solok", "Solok City Library"),
    "UMMY": ("Universitas Mahaputra", "Mahaputra University"),
}
ANSWERS = {"circulation": "can_be_borrowed", "reference": "read_here_only", "closed_stacks": "not_available"}


@dataclass(frozen=True, slots=True)
class Book:
    number: int
    title: str
    author: str
    year: int
    language: str = "ind"
    ddc: str = "899.221"
    audience: str = "general"
    subjects: tuple[str, ...] = ("Fiksi Indonesia",)
    summary: str = ""
    # (institution, branch, collection)
    items: tuple[tuple[str, str, str], ...] = (("KOTASOLOK", "PUSAT", "circulation"),)
    brief_fields: dict[str, Any] = field(default_factory=dict)
    # Fields that only `display` has.
    display_fields: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"0192f3a4-5b6c-7d8e-9f01-{self.number:012x}"

    @property
    def words(self) -> str:
        return f"{self.title} {self.author} {' '.join(self.subjects)} {self.summary}".lower()

    def brief(self) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "title": self.title,
            "authors": [self.author],
            "publisher": "Balai Pustaka",
            "place": "Jakarta",
            "year": self.year,
            "language": self.language,
            "material": "book",
            "ddc": self.ddc,
            "institution": "KOTASOLOK",
        }
        return {**fields, **({"summary": self.summary} if self.summary else {}), **self.brief_fields}

    def display(self) -> dict[str, Any]:
        return {
            **self.brief(),
            "subjects": list(self.subjects),
            "class": self.ddc[:2].rstrip("."),
            "notes": [{"type": "general", "label": {"id": "Catatan", "en": "Note"}, "text": "Memuat indeks."}],
            "audience": self.audience,
            "identifiers": {"control_number": [f"KS{self.number:06}"]},
            "links": [
                {"url": "https://contoh.example/buku", "label": "Isi buku"},
                {"url": "javascript:alert(1)", "label": "!"},
            ],
            "extent": "140 hlm.",
            "titles_other": [],
            "source": "contoh",
            **self.display_fields,
        }

    def holdings(self) -> list[dict[str, Any]]:
        return [
            {
                "institution": institution,
                "branch": f"{institution}/{branch}",
                "branch_name": dict(zip(("id", "en"), BRANCHES[institution, branch], strict=True)),
                "call_number": f"{self.ddc} {self.author[:3].upper()} {self.title[0].lower()}",
                "items": 2,
                "available": 2 if ANSWERS[collection] == "can_be_borrowed" else 0,
                "answer": ANSWERS[collection],
            }
            for institution, branch, collection in self.items
        ]

    def facets(self) -> dict[str, set[str]]:
        return {
            "availability": {"can_be_borrowed"} if any(i[2] == "circulation" for i in self.items) else set(),
            "institution": {item[0] for item in self.items},
            "branch": {f"{item[0]}/{item[1]}" for item in self.items},
            "collection": {item[2] for item in self.items},
            "material": {"book"},
            "audience": {self.audience},
            "language": {self.language},
            "year": {str(self.year)},
            "subject": set(self.subjects),
            "author": {self.author},
            "ddc": {f"{self.ddc[0]}00"},
            "class": {self.ddc[:length] for length in (1, 2, 3)},
            "series": set(),
        }


CENTRAL, BRANCH, CAMPUS = (
    ("KOTASOLOK", "PUSAT", "circulation"),
    ("KOTASOLOK", "LAING", "circulation"),
    ("UMMY", "KAMPUS", "circulation"),
)
CENTRAL_REFERENCE = ("KOTASOLOK", "PUSAT", "reference")
CAMPUS_REFERENCE = ("UMMY", "KAMPUS", "reference")
STACKS = ("KOTASOLOK", "LAING", "closed_stacks")

BOOKS = (
    Book(
        1,
        "Robohnya Surau Kami",
        "Navis, A.A.",
        1986,
        summary="Seorang penjaga surau tua dan seorang pembual yang membuatnya kehilangan pegangan.",
    ),
    Book(2, "Siti Nurbaya: Kasih Tak Sampai", "Rusli, Marah", 1922, items=(CENTRAL, BRANCH, CAMPUS_REFERENCE)),
    Book(
        3,
        "Kaba Cindua Mato",
        "Syamsuddin St. Radjo Endah",
        1987,
        language="min",
        ddc="398.2",
        audience="child",
        subjects=("Cerita rakyat Minangkabau",),
        items=(CENTRAL_REFERENCE,),
        display_fields={
            "parallel": [
                {"field": "title", "text": "کابا چيندوا ماتو", "rtl": True, "lang": "ms-Arab"},
                {"field": "title", "text": "Каба Чиндуа Мато", "script": "Cyrl", "rtl": False},
            ],
            "contributors": [
                {"name": "Syamsuddin St. Radjo Endah", "label": {"id": "penulis", "en": "author"}},
            ],
            "relations": [
                {
                    "kind": "translation_of",
                    "label": {"id": "Terjemahan dari", "en": "Translation of"},
                    "text": "Tambo Alam",
                    "title": "Tambo Alam",
                    "query": "title:tambo",
                }
            ],
            "more": [{"key": "scale", "label": {"id": "Skala", "en": "Scale"}, "values": ["1:50.000"]}],
            "contents": ["Bagian satu", "Bagian dua"],
        },
    ),
    Book(4, "Tenggelamnya Kapal van der Wijck", "Hamka", 1938),
    Book(5, "Salah Asuhan", "Muis, Abdoel", 1928, items=(CAMPUS,)),
    Book(6, "The Tigers of Minangkabau", "Hadler, Jeffrey", 2008, language="eng", ddc="959.8", items=(CAMPUS,)),
    Book(
        7,
        "Masakan Padang",
        "Owen, Sri",
        2005,
        ddc="641.5",
        subjects=("Masakan Minangkabau",),
        brief_fields={"subtitle": "resep rumah"},
    ),
    Book(
        8,
        f"Judul {SCRIPT} & <b>tebal</b>",
        f"Penulis {SCRIPT}",
        1999,
        subjects=(f"Subjek {SCRIPT}",),
        summary=f"Ringkasan {SCRIPT}",
        brief_fields={"subtitle": f"anak {SCRIPT}", "publisher": f"Penerbit {SCRIPT}", "isbn": SCRIPT},
    ),
    Book(9, "Di Bawah Lindungan Ka'bah", "Hamka", 1938, items=(STACKS,)),
    Book(10, "Merantau", "Naim, Mochtar", 1979, ddc="304.8", subjects=("Minangkabau", "Migrasi")),
    Book(11, "Kemarau", "Navis, A.A.", 1957, items=()),
    Book(12, "Ranah Tiga Warna", "Fuadi, Ahmad", 2011, audience="child"),
    Book(
        13,
        "Negeri 5 Menara",
        "Fuadi, Ahmad",
        2009,
        brief_fields={"authors": ["Fuadi, Ahmad", "Kedua, Penulis", "Ketiga, Penulis", "Keempat, Penulis"]},
        display_fields={"contents": [f"Bab {at}" for at in range(1, 15)]},
    ),
)
