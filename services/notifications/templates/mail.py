"""The frame of a mail in HTML: one column, styles inlined, no picture and no script."""

from __future__ import annotations

from collections.abc import Sequence

import css_inline
from markupsafe import escape

from services.notifications.templates.markup import Block, as_html, is_address

# Mail programs leave out style elements, so css-inline writes these into the elements. Contrast is at least 4.5 : 1.
_STYLES = """
body { margin: 0; padding: 0; background: #f4f1ec; }
.frame { max-width: 560px; margin: 0 auto; padding: 16px; font: 16px/1.5 Arial, "Noto Sans", sans-serif; color: #222; }
.name { padding: 12px 20px; background: #4a0f0e; color: #fff; font-size: 18px; font-weight: bold; margin: 0; }
.text { padding: 8px 20px 16px; background: #fff; }
.text p, .text ul { margin: 12px 0; overflow-wrap: anywhere; }
.text ul { padding-left: 20px; }
.text li { margin: 6px 0; }
.text h2 { margin: 20px 0 8px; font-size: 18px; line-height: 1.3; color: #4a0f0e; }
.text a { color: #7a1a18; }
.text .act a { display: inline-block; padding: 12px 20px; background: #7a1a18; color: #fff; text-decoration: none;
  font-weight: bold; border-radius: 4px; }
.foot { padding: 12px 20px; font-size: 14px; color: #555; }
.foot p { margin: 4px 0; }
.foot a { color: #555; }
"""
_INLINER = css_inline.CSSInliner(extra_css=_STYLES, load_remote_stylesheets=False, keep_style_tags=False)


def mail_html(
    blocks: Sequence[Block], *, language: str, subject: str, institution: str, footer: str, stop: str, stop_url: str
) -> str:
    """Return a mail as an HTML document.

    footer  why the member receives it; `stop` and `stop_url` are the link that ends it, empty without one
    """
    stopping = ""
    if stop and is_address(stop_url):
        stopping = f'<p><a href="{escape(stop_url)}">{escape(stop)}</a></p>'
    document = f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light"><title>{escape(subject)}</title></head>
<body><div class="frame">
<p class="name">{escape(institution)}</p>
<div class="text">
{as_html(blocks)}
</div>
<div class="foot"><p>{escape(footer)}</p>{stopping}</div>
</div></body></html>"""
    return str(_INLINER.inline(document))
