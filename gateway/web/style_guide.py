"""/gaya: the style guide, which shows all components of pages with sample records, from the same macros."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.sentences import sentence
from gateway.api.queries import SORTS
from gateway.api.schemas import RECORD_ID_EXAMPLE
from gateway.negotiation import language
from gateway.responses import respond
from gateway.web.covers.cover_svg import GROUNDS, cover
from gateway.web.covers.images import CACHE_SHORTLY, SVG
from gateway.web.desk.staff import role_options
from gateway.web.forms import Form
from gateway.web.hits import hit
from gateway.web.hours import Now
from gateway.web.library import ContactLine
from gateway.web.rendering import page
from gateway.web.site.citing import citations
from gateway.web.site.record_rows import rows
from gateway.web.texts import wording
from rangkiang.catalog.v1 import catalog_pb2
from rangkiang.common.v1 import text_pb2

router = APIRouter()

# Names of the colours in styles/1-tokens.css.
COLOURS = ("paper", "card", "ink", "soft", "line", "link", "gold", "mark", "yes", "here", "press", "deep", "thread")
ANSWERS = ("can_be_borrowed", "online", "read_here_only", "ask_the_library", "out_until", "not_available")
_BRIEF: dict[str, Any] = {
    "title": "Robohnya Surau Kami",
    "subtitle": "kumpulan cerita pendek",
    "responsibility": "A.A. Navis",
    "authors": ["Navis, A.A."],
    "publisher": "Gramedia Pustaka Utama",
    "place": "Jakarta",
    "year": 1986,
    "language": "eng",
    "material": "ebook",
    "ddc": "899.221",
    "summary": "Seorang penjaga surau tua, dan seorang pembual yang membuatnya kehilangan pegangan.",
}
_HOLDINGS = [
    {"institution": "PKS", "branch": f"C{at}", "branch_name": {"id": "Perpustakaan Pusat", "en": "Central Library"},
     "call_number": "899.221 NAV r", "items": 3, "available": 2 - at, "answer": answer}
    for at, answer in enumerate(("can_be_borrowed", "read_here_only", "ask_the_library"))
]  # fmt: skip
_DISPLAY = {
    **_BRIEF,
    "language": "ind",
    "material": "book",
    "parallel": [{"field": "series", "text": "روبوهڽ سوراو کامي", "rtl": True, "lang": "ms-Arab"}],
    "subjects": ["Cerita pendek Indonesia"],
    "notes": [{"label": {"id": "Catatan", "en": "Note"}, "text": "Memuat indeks."}],
    "links": [{"url": "https://example.org/", "label": "example.org"}],
}
_PIECE = {"call_number": "899.221 NAV r", "volume": "Jilid 2", "copy_note": "c.2", "collection": "circulation",
          "room": "", "pieces": "", "answer": "out_until", "due_on": "2026-12-03", "barcode": "0000123"}  # fmt: skip


@router.get("/gaya")
async def gaya(request: Request) -> Response:
    words = wording(language(request))
    sample_hit = catalog_pb2.Hit(
        id=RECORD_ID_EXAMPLE,
        brief=orjson.dumps(_BRIEF),
        holdings=orjson.dumps(_HOLDINGS),
        highlights=[catalog_pb2.Highlight(field="title", pieces=["Robohnya ", "Surau", " Kami"])],
        work_id=RECORD_ID_EXAMPLE,
        editions=3,
        reasons=[
            catalog_pb2.Reason(
                text=text_pb2.LocalText(id="“surau” ada di judul", en="“surau” is in the title"), weight=2.4
            )
        ],
    )
    shown = {**hit(sample_hit, words.language), "address": "/gaya"}
    problem = sentence("PARAMETER_NOT_TEXT", parameter=words.say("members.name"))
    value = {
        "value": "ind",
        "name": words.code("language", "ind"),
        "count": 1_204,
        "level": 1,
        "on": True,
        "address": "/gaya",
    }
    return page(
        request,
        "gaya.html",
        query="",
        form=Form(
            token="",
            key="",
            values={"sample-name": "…", "sample-role": ["desk"]},
            errors={"sample-name": problem.in_language(words.language)},
        ),
        sexes=[(sex, words.code("sex", sex)) for sex in ("female", "male")],
        role_options=role_options(request)[:2],
        colours=COLOURS,
        answers=ANSWERS,
        each=shown,
        sorts=[(name, "/gaya", name == SORTS[0]) for name in SORTS],
        switches=[("by_work", "/gaya", True), ("explain", "/gaya", False)],
        chips=[("language", value["name"], "/gaya"), ("author", "Navis, A.A.", "/gaya")],
        values=[value, {**value, "name": words.code("language", "min"), "on": False}],
        help={
            "failed": ["suraw"],
            "without": [("surau kami", "/gaya", 2)],
            "without_filters": ("/gaya", 4, value["name"]),
            "elsewhere": [("Universitas", "/gaya", 3)],
            "classes": [("800", "/gaya", 9)],
        },
        rows=rows(_DISPLAY, words),
        place={
            **shown["holdings"][0],
            "pieces": [_PIECE],
            "path": "/gaya",
            "now": Now(True, words.say("hours.open_until", time=words.clock("16:00")), ""),
        },
        neighbours=[
            {**shown, "call_number": "899.221 NAV r", "here": here, "shelf": shelf}
            for here, shelf in ((False, "3"), (True, "8"), (False, "9"))
        ],
        classes=[
            {
                "notation": f"{digit}00",
                "name": words.say("facet.class"),
                "under": "",
                "count": 12,
                "shelf": digit,
                "search": "/gaya",
                "divisions": "/golongan",
                "divided": True,
            }
            for digit in "389"
        ],
        headings=[
            {
                "text": "Ali Akbar Navis",
                "count": 0,
                "address": "",
                "see": [("Navis, A.A.", "/gaya")],
                "see_also": [],
                "beside": "",
                "here": False,
            },
            {
                "text": "Navis, A.A.",
                "count": 7,
                "address": "/gaya",
                "see": [],
                "see_also": [("Hamka", "/gaya")],
                "beside": "",
                "here": True,
            },
        ],
        citation=citations(_DISPLAY, words.language)[0][1],
        librarian=ContactLine("whatsapp", "/gaya", "0812-3456-7890"),
        topics=[("Petualangan", "/gaya"), ("Cerita rakyat", "/gaya")],
        letters=[("A", "/gaya", False), ("B", "/gaya", True)],
        grounds=GROUNDS,
    )


@router.get("/gaya/covers/{digit}")
async def sample(request: Request) -> Response:
    """Draw the sample's cover for a class; "x" stands for no class."""
    digit = request.path_params["digit"]
    if digit not in GROUNDS:
        raise NotFound("COVER_NOT_FOUND")
    drawn = cover(title=_BRIEF["title"], author=_BRIEF["authors"][0], ddc=f"{digit}{digit}")
    return respond(request, drawn, SVG, cache=CACHE_SHORTLY, vary="Accept-Encoding")
