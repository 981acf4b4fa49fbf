"""Files with which a phone installs the site as an application: manifest, icons, service worker, offline page."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

import orjson
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.negotiation import LANGUAGES, language
from gateway.responses import respond
from gateway.web import assets
from gateway.web.covers import card_png
from gateway.web.library import site_of
from gateway.web.rendering import page
from gateway.web.texts import wording

router = APIRouter()

PNG, ICO = "image/png", "image/x-icon"
CACHE_A_DAY = "public, max-age=86400"
# Files of the offline page. The service worker stores no other page.
SHELL = ("site.css", "site.js", "mark.svg")
# name -> (pixels, whether the icon is maskable)
ICONS = {"180": (180, True), "192": (192, False), "512": (512, False), "maskable-512": (512, True)}
SYSTEMS = ("android", "ios", "desktop")
THEME, BACKGROUND = "#4a0f0e", "#fbf7ef"


@router.get("/site.webmanifest")
async def manifest(request: Request) -> Response:
    """Return the web app manifest (W3C), in the reader's language."""
    lang = language(request)
    words, site = wording(lang), site_of(request, lang)
    body = {
        "id": "/",
        "name": site.name,
        "short_name": site.short_name,
        "description": words.say("site.description"),
        "lang": lang,
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "theme_color": THEME,
        "background_color": BACKGROUND,
        "icons": [
            {
                "src": f"/icons/{name}.png",
                "sizes": f"{pixels}x{pixels}",
                "type": PNG,
                "purpose": "maskable" if is_maskable else "any",
            }
            for name, (pixels, is_maskable) in ICONS.items()
            if name != "180"
        ],
    }
    return respond(
        request, orjson.dumps(body), "application/manifest+json", vary="Accept-Encoding, Accept-Language, Cookie"
    )


@router.get("/icons/{icon}.png")
async def icon(request: Request) -> Response:
    """Return an icon by its name, or `card`, the preview image for links to pages without their own image."""
    name = request.path_params["icon"]
    if name == "card":
        body = await run_in_threadpool(card_png.site_card, site_of(request, LANGUAGES[0]).name)
    elif name in ICONS:
        body = (card_png.ICONS / f"{name}.png").read_bytes()
    else:
        raise NotFound("FILE_NOT_FOUND")
    return respond(request, body, PNG, cache=CACHE_A_DAY, vary="Accept-Encoding")


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    body = (card_png.ICONS / "favicon.ico").read_bytes()
    return respond(request, body, ICO, cache=CACHE_A_DAY, vary="Accept-Encoding")


@router.get("/sw.js")
async def service_worker(request: Request) -> Response:
    """Return the service worker. Browsers run it only over https or on this machine."""
    return respond(request, _service_worker(), "text/javascript; charset=utf-8", vary="Accept-Encoding")


@cache
def _service_worker() -> bytes:
    files = orjson.dumps([assets.address(name) for name in SHELL]).decode()
    source = Path(__file__).with_name("service_worker.js").read_text()
    offline = (Path(__file__).parent / "templates" / "offline.html").read_bytes()
    # Browsers install a new version when the offline page or one of its files has changed.
    version = blake2b(source.encode() + files.encode() + offline, digest_size=6).hexdigest()
    return source.replace("__VERSION__", version).replace("__FILES__", files).encode()


@router.get("/offline")
async def offline(request: Request) -> Response:
    """Show the page that the service worker stores, in both languages."""
    return page(request, "offline.html", both=[wording(lang) for lang in LANGUAGES])


@router.get("/install")
async def install(request: Request) -> Response:
    """Show how to add the site to the home screen of a phone or computer."""
    return page(request, "install.html", systems=SYSTEMS)
