"""/golongan: the classification, from the ten main classes down, with the library's captions."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.clients import call, catalog
from gateway.negotiation import language
from gateway.web.hits import local_text, shelf
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.catalog.v1 import browsing_pb2

router = APIRouter()

LONGEST_CLASS = 16


@router.get("/golongan")
async def main_classes(request: Request) -> Response:
    return await _classes(request, "")


@router.get("/golongan/{parent}")
async def divisions(request: Request) -> Response:
    parent = request.path_params["parent"]
    if len(parent) > LONGEST_CLASS or not parent.replace(".", "").isalnum() or not parent.isascii():
        raise NotFound("CLASS_NOT_FOUND", given=parent[:40])
    return await _classes(request, parent)


async def _classes(request: Request, parent: str) -> Response:
    reply = await call(request, catalog(request).ListClasses, browsing_pb2.ListClassesRequest(parent=parent))
    words = wording(language(request))
    lang = words.language
    path: list[dict[str, Any]] = []
    for entry in reply.path:
        path.append(_general(class_data(entry, lang), path, words))
    return page(
        request,
        "classes.html",
        here=path[-1] if path else None,
        trail=[
            ("/golongan", words.say("classes.way")),
            *((entry["divisions"], f"{entry['notation']} {entry['name']}".strip()) for entry in path[:-1]),
        ],
        classes=[_listed(class_data(class_, lang), path, words) for class_ in reply.classes],
        without=reply.without,
    )


def _general(division: dict[str, Any], path: list[dict[str, Any]], words: Wording) -> dict[str, Any]:
    """Return a division; one without a caption and with the notation of its class is named as its general records."""
    if division["name"] or not path or division["notation"] != path[-1]["notation"]:
        return division
    return {**division, "name": words.say("classes.in_general", name=path[-1]["name"]), "under": ""}


def _listed(division: dict[str, Any], path: list[dict[str, Any]], words: Wording) -> dict[str, Any]:
    """Return a division for the page of its class. It loses `under` when the heading of the page already shows it."""
    division = _general(division, path, words)
    is_shown = path and not division["name"] and division["under"] in (path[-1]["name"], path[-1]["under"])
    return {**division, "under": ""} if is_shown else division


def class_data(class_: browsing_pb2.Class, lang: str) -> dict[str, Any]:
    """Return a class for templates: its name, and the URLs of its divisions and its records."""
    return {
        "notation": class_.notation,
        "name": local_text(class_.caption, lang),
        "under": local_text(class_.under, lang),
        "count": class_.count,
        "shelf": shelf(class_.notation),
        "search": f"/search?{urlencode({'class': class_.value})}",
        "divisions": f"/golongan/{class_.value}",
        "divided": class_.divided,
    }
