"""Templates of notices: refusals when they are saved, and the texts that members read."""

from __future__ import annotations

import re
import time
from datetime import date
from html.parser import HTMLParser

import pytest
from pypdfium2 import PdfDocument

from chassis.errors import Invalid
from services.notifications.templates import gsm
from services.notifications.templates.kinds import CHANNELS, KINDS, LANGUAGES, Source, seed, template_channel
from services.notifications.templates.letter_pdf import Paper, PrintedLetter, print_letters
from services.notifications.templates.rendering import Rendered, refuse_faulty, render_source
from services.notifications.templates.values import date_in_words, hours_in_words, shortened, time_in_words
from tests.fakes.payloads import PAYLOADS

EVERY_SEED = [(kind, channel, language) for kind in KINDS for channel in CHANNELS for language in LANGUAGES]
DUE_SOON = KINDS["due_soon"]
SOUND = "{{ title }} {{ due_on|date }}"


def facts_of(kind: str = "due_soon", language: str = "id", **changes: object) -> dict[str, object]:
    return KINDS[kind].sample_facts(language) | changes


def written(
    body: str, *, channel: str = "email", kind: str = "due_soon", language: str = "id", **facts: object
) -> Rendered:
    source = Source(subject="Perpustakaan", body=body)
    values = facts_of(kind, language, **facts)
    return render_source(source, kind=KINDS[kind], channel=channel, language=language, facts=values)


class Elements(HTMLParser):
    """The elements, links and texts of a mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_SEED)
def test_every_seed_is_sound_and_says_what_it_must(kind: str, channel: str, language: str) -> None:
    source = seed(kind, channel, language)
    refuse_faulty(source, KINDS[kind], channel)
    rendered = render_source(
        source, kind=KINDS[kind], channel=channel, language=language, facts=facts_of(kind, language)
    )
    assert KINDS[kind].sample_facts(language)["institution_name"] in rendered.text
    assert not re.search("[{}\ue000\ue001]|None|\n\n\n", rendered.text)


@pytest.mark.parametrize(("kind", "channel", "language"), EVERY_SEED)
def test_every_default_text_works_without_optional_values_of_the_library(
    kind: str, channel: str, language: str
) -> None:
    values = {name.split("|")[0]: facts_of(kind, language)[name.split("|")[0]] for name in KINDS[kind].requires}
    names = {"member_name": "Ani", "institution_name": "Perpustakaan", "account_link": "https://a.example/account"}
    rendered = render_source(
        seed(kind, channel, language), kind=KINDS[kind], channel=channel, language=language, facts=values | names
    )
    assert not re.search(r" \.| ,|: +$|: *\.|:\n(?!\n)|\(\)|  ", rendered.text.replace("-- \n", ""), re.MULTILINE), (
        rendered.text
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if "sms" in kind.channels])
def test_an_sms_is_one_message_also_with_a_long_title(kind: str, language: str) -> None:
    values = facts_of(
        kind, language, title="Sejarah perlawanan rakyat Minangkabau – dari Perang Padri sampai “PRRI” " * 2
    )
    source = seed(kind, "sms", language)
    rendered = render_source(source, kind=KINDS[kind], channel="sms", language=language, facts=values)
    places, messages = gsm.length(rendered.text)
    assert messages == 1, rendered.text
    assert places <= gsm.ONE_MESSAGE
    assert values["phone"] in rendered.text or KINDS[kind].has_code


def test_an_sms_in_another_script_stays_as_it_is() -> None:
    assert gsm.plain("الجبرتي – é") == "الجبرتي - é"
    assert gsm.length("الجبرتي") == (7, 1)
    assert gsm.length("a" * 161) == (161, 2)
    assert gsm.length("€") == (2, 1)


@pytest.mark.parametrize(
    ("value", "language", "words"),
    [
        ("2026-11-24", "id", "Selasa, 24 November 2026"),
        ("2026-11-24", "en", "Tuesday, 24 November 2026"),
        ("2026-01-02T23:30:00+09:00", "id", "Jumat, 2 Januari 2026"),
        ("", "id", ""),
    ],
)
def test_dates_are_words(value: str, language: str, words: str) -> None:
    assert date_in_words(value, language) == words


def test_a_time_has_the_name_of_its_zone() -> None:
    assert time_in_words("2026-11-24T14:30:00+07:00", "id") == "14.30 WIB"
    assert time_in_words("2026-11-24T14:30:00+09:00", "en") == "14:30 WIT"
    assert time_in_words("2026-11-24T14:30:00+02:00", "en") == "14:30"


def test_a_long_title_ends_with_a_word() -> None:
    assert shortened("Robohnya Surau Kami dan cerita lain", 26) == "Robohnya Surau Kami dan..."
    assert shortened("Robohnya", 8) == "Robohnya"


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("channel", CHANNELS)
def test_hostile_names_and_titles_stay_text(payload: str, channel: str) -> None:
    changes = dict.fromkeys(("member_name", "recipient_name", "title", "institution_name", "phone"), payload)
    source = seed("due_soon", channel, "id")
    values = facts_of(**changes)
    rendered = render_source(source, kind=DUE_SOON, channel=channel, language="id", facts=values)
    shown = " ".join(re.sub("[\u202e\u2028\t]", " ", payload).split())
    if channel == "email":
        assert rendered.html is not None
        mail, plain = Elements(rendered.html), Elements(written(seed("due_soon", "email", "id").body).html or "")
        assert mail.names == plain.names
        assert mail.attributes == plain.attributes
        assert mail.addresses == plain.addresses
        assert shown in mail.text
    if channel not in ("sms", "whatsapp"):
        assert shown in rendered.text
    assert "\n" not in rendered.subject
    assert "\u202e" not in rendered.text + rendered.subject


@pytest.mark.parametrize(
    "payload",
    [
        "x\r\nBcc: korban@example.id",
        "x\nSubject: y",
        "x\x0bY",
        "x\u2028Y",
        "x\u0085Y",
        "x\x00Y",
        "=?utf-8?q?=0D=0A?=\r\n\r\nbody",
    ],
)
def test_a_subject_is_one_line_whatever_a_name_has(payload: str) -> None:
    rendered = written(SOUND, institution_name=payload)
    source = Source(subject="Dari {{ institution_name }}", body=SOUND)
    subject = render_source(
        source, kind=DUE_SOON, channel="email", language="id", facts=facts_of(institution_name=payload)
    ).subject
    assert subject.isprintable()
    assert rendered.html is not None
    with pytest.raises(Invalid, match="TEMPLATE_SUBJECT_LINES"):
        refuse_faulty(Source(subject="Satu\nBcc: dua", body=SOUND), DUE_SOON, "email")


def test_a_value_is_never_markup() -> None:
    title = "[klik](https://evil.example) **tebal** # judul"
    rendered = written("# {{ title }}\n\n- {{ title }}\n\n{{ title }}\n\n{{ due_on }}", title=title)
    mail = Elements(rendered.html or "")
    assert mail.addresses == []
    assert mail.text.count(title) == 3
    assert written("{{ title }} {{ due_on }}", channel="whatsapp", title="*a* _b_ ~c~ `d`").text.startswith(
        "\uff0aa\uff0a \uff3fb\uff3f \uff5ec\uff5e \uff40d\uff40"
    )


def test_one_source_is_plain_text_and_html() -> None:
    rendered = written(
        "# Judul\n\nSatu **tebal**\ndua\n\n- butir\n- {{ title }}\n\n[Perpanjang]({{ renew_link }})\n\n"
        "\\*bintang {{ due_on|date }}"
    )
    assert rendered.text.startswith(
        "Judul\n\nSatu tebal\ndua\n\n- butir\n- Merantau ke Deli\n\n"
        "Perpanjang: https://perpustakaan.example.id/r/contoh\n\n*bintang Selasa, 24 November 2026"
    )
    html = re.sub(' (style|class)="[^"]*"', "", rendered.html or "")
    assert "<h2>Judul</h2>" in html
    assert "<p>Satu <strong>tebal</strong><br>dua</p>" in html
    assert "<ul><li>butir</li><li>Merantau ke Deli</li></ul>" in html
    assert '<p><a href="https://perpustakaan.example.id/r/contoh">Perpanjang</a></p>' in html
    assert "<style" not in html


def test_mails_of_one_template_have_styles_and_each_its_own_values() -> None:
    links = [f"https://perpustakaan.example.id/r/{number}?a=1&b=2" for number in range(2)]
    for title, link in zip(("Merantau & <kembali>", 'Robohnya "Surau"'), links, strict=True):
        html = written(f"{SOUND}\n\n[Perpanjang]({{{{ renew_link }}}})", title=title, renew_link=link).html or ""
        mail = Elements(html)
        assert mail.addresses == [link]
        assert title in mail.text
        assert re.search('<a href="[^"]*" style="[^"]*color: #fff', html), "a button has its style"


def test_a_link_without_an_address_is_left_out() -> None:
    assert written(f"{SOUND}\n\n[Perpanjang]({{{{ renew_link }}}})", renew_link="").text.count("Perpanjang") == 0
    hostile = written(f"{SOUND}\n\n[Perpanjang]({{{{ renew_link }}}})", renew_link="javascript:alert(1)")
    assert Elements(hostile.html or "").addresses == []


def test_a_mail_has_a_link_to_stop_and_one_that_is_no_page_is_left_out() -> None:
    source = seed("due_soon", "email", "id")
    for address, count in (("https://a.example/u/1", 1), ("javascript:alert(1)", 0)):
        rendered = render_source(
            source, kind=DUE_SOON, channel="email", language="id", facts=facts_of(), unsubscribe_url=address
        )
        assert Elements(rendered.html or "").addresses.count(address) == count


def test_a_title_in_another_direction_leaves_the_words_around_it() -> None:
    assert '<span dir="auto">الأيام</span>' in (written(SOUND, title="الأيام").html or "")


def test_a_digest_is_in_order_of_date_and_counts() -> None:
    items = [
        {"title": "Besok", "due_on": "2026-11-25", "is_overdue": False},
        {"title": "Lalu", "due_on": "2026-11-20", "is_overdue": True, "days": 4},
    ]
    rendered = written("{% for item in items %}\n- {{ item.title }}\n{% endfor %}\n{{ count }} {{ due_on|date }}",
                       kind="loan_digest", items=items, count=0, due_on="")  # fmt: skip
    assert rendered.text.startswith("- Lalu\n- Besok\n\n2 Rabu, 25 November 2026")


def test_a_guardian_is_addressed_about_the_child() -> None:
    values = facts_of(recipient_name="Bu Rina", member_name="Dimas", is_for_child=True)
    text = render_source(
        seed("due_soon", "whatsapp", "id"), kind=DUE_SOON, channel="whatsapp", language="id", facts=values
    ).text
    assert text.startswith("Yth. Bu Rina,\n\nBuku yang dipinjam Dimas segera jatuh tempo:")
    values = facts_of(recipient_name="", member_name="Ani")
    text = render_source(
        seed("due_soon", "whatsapp", "id"), kind=DUE_SOON, channel="whatsapp", language="id", facts=values
    ).text
    assert text.startswith("Yth. Ani,")


def test_a_fact_that_is_missing_or_no_date_is_named() -> None:
    with pytest.raises(Invalid) as missing:
        written(SOUND, due_on="")
    assert missing.value.refusals[0].facts["name"] == "due_on"
    with pytest.raises(Invalid, match="NOTICE_FACT_INVALID"):
        written(SOUND, due_on="besok")


def test_a_provider_s_template_has_its_parameters_in_order_and_none_is_empty() -> None:
    source = seed("due_soon", "whatsapp", "id")
    provider = render_source(
        source, kind=DUE_SOON, channel="whatsapp", language="id", facts=facts_of(phone="")
    ).provider
    assert provider is not None
    assert (provider.name, provider.language) == ("pengingat_kembali", "id")
    assert provider.parameters == ("Perpustakaan Umum Kota Padang", "Merantau ke Deli", "Selasa, 24 November 2026", "-")


def test_a_message_takes_less_than_three_milliseconds() -> None:
    source = seed("due_soon", "email", "id")
    values = facts_of()
    render_source(source, kind=DUE_SOON, channel="email", language="id", facts=values)
    started = time.process_time()
    for _ in range(100):
        render_source(source, kind=DUE_SOON, channel="email", language="id", facts=values)
    assert (time.process_time() - started) / 100 < 0.003


@pytest.mark.parametrize(("paper", "width"), [("a4", 595), ("58mm", 164)])
def test_each_letter_begins_a_page_and_hostile_names_stay_text(paper: Paper, width: int) -> None:
    values = facts_of("overdue", title="<b>a & b</b> الأيام ā <img src='x'/>")
    rendered = render_source(
        seed("overdue", "print", "id"), kind=KINDS["overdue"], channel="print", language="id", facts=values
    )
    letters = [
        PrintedLetter(
            "Perpustakaan", name, ("Kelas VII-2", "Jl. Sudirman 5"), date(2026, 11, 27), "id", rendered.blocks
        )
        for name in ("Siti", "<font size='90'>Ani</font>")
    ]
    document = PdfDocument(print_letters(letters, paper=paper))
    texts = [page.get_textpage().get_text_range() for page in document]
    assert len(texts) == 2
    assert {int(page.get_width()) for page in document} == {width}
    assert "Siti" in texts[0]
    assert "<font" in texts[1]
    words = " ".join(texts[1].split())
    assert "<b>a & b</b>" in words
    assert "a <img" in words
    assert "https://" not in texts[0]


@pytest.mark.parametrize(
    ("name", "address_kind", "channel"),
    [
        ("smtp", "email", "email"),
        ("whatsapp", "phone", "whatsapp"),
        ("sms-gateway", "phone", "sms"),
        ("webpush", "push", "push"),
        ("print", "none", "print"),
        ("console", "none", "email"),
    ],
)
def test_each_channel_of_the_port_has_templates(name: str, address_kind: str, channel: str) -> None:
    assert template_channel(name, address_kind) == channel


def test_opening_hours_are_words_with_equal_days_together() -> None:
    day, friday = (("08:00", "16:00"),), (("08:00", "11:30"), ("14:00", "16:30"))
    week = {0: day, 1: day, 2: day, 3: day, 4: friday, 6: day}
    assert (
        hours_in_words(week, "id") == "Senin–Kamis 08.00–16.00; Jumat 08.00–11.30 dan 14.00–16.30; Minggu 08.00–16.00"
    )
    assert hours_in_words({5: day, 6: day}, "en") == "Saturday and Sunday 08:00–16:00"
    assert hours_in_words({}, "id") == ""
