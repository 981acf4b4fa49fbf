from __future__ import annotations

import re
import string
from pathlib import Path

import gateway.web
from gateway.api.queries import FACETS, SORTS
from gateway.negotiation import LANGUAGES
from gateway.web.site.browse import KINDS
from gateway.web.site.citing import citations
from gateway.web.site.filters import ORDERS
from gateway.web.site.record_rows import FULLER, ROWS
from gateway.web.texts import wording
from services.catalog.record.captions import CAPTIONS

FOLDER = Path(gateway.web.__file__).parent
TEXTS = {language: wording(language).texts for language in ("id", "en")}


def test_both_languages_have_the_same_texts() -> None:
    assert set(TEXTS["id"]) == set(TEXTS["en"])


def test_no_text_is_empty_and_facts_are_the_same_in_both_languages() -> None:
    for key, text in TEXTS["id"].items():
        facts = [
            {name for _, name, _, _ in string.Formatter().parse(value) if name} for value in (text, TEXTS["en"][key])
        ]
        assert facts[0] == facts[1], key
        assert text.strip(), key
        assert TEXTS["en"][key].strip(), key


def test_every_text_of_a_template_exists() -> None:
    for template in (FOLDER / "templates").glob("*.html"):
        html = template.read_text()
        for key in re.findall(r"\bt\('([a-z_.]+)'[,)]", html):
            assert key in TEXTS["id"], f"{template.name}: {key}"
        for prefix in re.findall(r"\bt\('([a-z_.]+\.)' ~", html):
            assert any(key.startswith(prefix) for key in TEXTS["id"]), f"{template.name}: {prefix}"
        for key in re.findall(r"\bcount\('([a-z_.]+)'", html):
            assert {f"{key}.one", f"{key}.many"} <= set(TEXTS["id"]), f"{template.name}: {key}"


def test_every_text_with_facts_is_given_facts() -> None:
    for template in (FOLDER / "templates").glob("*.html"):
        # The script fills in those of data attributes.
        for key in re.findall(r"(?<!\")\{\{ t\('([a-z_.]+)'\)", template.read_text()):
            assert "{" not in TEXTS["id"].get(key, ""), f"{template.name}: {key}"


def test_every_text_is_used() -> None:
    source = "".join(path.read_text() for path in (*FOLDER.glob("templates/*.html"), *FOLDER.rglob("*.py")))
    for key in TEXTS["id"]:
        stem = key.removesuffix(".one").removesuffix(".many")
        prefix = stem.rpartition(".")[0]
        is_named = any(form in source for form in (f"'{stem}'", f'"{stem}"'))
        is_built = any(form in source for form in (f"'{prefix}.'", f'f"{prefix}.{{'))
        assert key.startswith("code.") or is_named or is_built, key


def test_every_text_with_a_computed_name_exists() -> None:
    names_by_prefix = {
        "record.": [FULLER.get(key, key) for key in ROWS if key not in ("identifiers", "more")],
        "facet.": FACETS,
        "sort.": SORTS,
        "order.": ORDERS,
        "switch.": ("by_work", "explain"),
        "browse.kinds.": KINDS,
        "cite.": [style for style, _ in citations({"title": "Kemarau"}, "id")],
        "language.": LANGUAGES,
        "code.answer.": (
            *("can_be_borrowed", "online", "read_here_only", "ask_the_library", "out_until", "not_available"),
        ),
    }
    for prefix, names in names_by_prefix.items():
        for name in names:
            assert f"{prefix}{name}" in TEXTS["id"]


def test_a_code_has_the_same_caption_in_filters_and_on_the_record() -> None:
    for kind in ("language", "material", "audience", "collection"):
        for code, name in CAPTIONS[kind].items():
            captions = [TEXTS[language][f"code.{kind}.{code}"] for language in ("id", "en")]
            assert captions == [name.id, name.en], (kind, code)


def test_no_title_of_a_page_names_the_product_where_the_library_s_name_follows() -> None:
    for language, texts in TEXTS.items():
        named = [key for key, text in texts.items() if key.endswith("title") and "Rangkiang" in text]
        assert named == [], language


def test_numbers_have_the_format_of_the_language() -> None:
    assert (wording("id").number(1234567), wording("en").number(1234567)) == ("1.234.567", "1,234,567")
    assert wording("en").count("record.items", 1) == "1 item"
    assert wording("en").count("record.items", 1200) == "1,200 items"


def facts_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
