"""Forbidden parts of a template: each fault is named with its line when it is saved, and nothing of it runs."""

from __future__ import annotations

import time

import pytest
from jinja2.exceptions import SecurityError

from chassis.errors import Invalid
from services.notifications.templates.kinds import KINDS, Source
from services.notifications.templates.markup import parse
from services.notifications.templates.rendering import refuse_faulty, render_source
from services.notifications.templates.sandbox import LONGEST_SOURCE, find_faults, run

SOUND = "{{ title }} {{ due_on|date }}"


def refused(
    body: str, *, subject: str = "Perpustakaan", kind: str = "due_soon", channel: str = "email"
) -> set[tuple[str, int, str]]:
    with pytest.raises(Invalid) as error:
        refuse_faulty(Source(subject=subject, body=body), KINDS[kind], channel)
    return {(r.reason, r.facts["line"], r.facts["name"]) for r in error.value.refusals}


def test_an_unknown_variable_is_refused_with_its_name_and_line() -> None:
    assert refused(f"{SOUND}\n\nYth. {{{{ nama }}}}") == {("TEMPLATE_VARIABLE_UNKNOWN", 3, "nama")}


def test_a_missing_variable_is_refused_with_its_name() -> None:
    assert refused("{{ title }}") == {("TEMPLATE_VARIABLE_MISSING", 1, "due_on")}
    assert refused("Halo", kind="loan_digest") == {("TEMPLATE_VARIABLE_MISSING", 1, "items|count")}


def test_a_fault_of_syntax_names_its_line() -> None:
    ((reason, line, _),) = refused(f"{SOUND}\n{{% if title %}}\n")
    assert (reason, line) == ("TEMPLATE_SYNTAX", 2)


@pytest.mark.parametrize("name", ["member_name", "recipient_name", "title", "card_number", "code", "phone"])
def test_a_subject_has_no_data_of_a_member(name: str) -> None:
    kind = next(kind for kind in KINDS.values() if name in kind.variables)
    faults = find_faults(f"Halo {{{{ {name} }}}}", kind.variables, is_subject=True)
    assert [fault.reason for fault in faults] == ["TEMPLATE_SUBJECT_PERSONAL"]


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//evil.example", "/a", "ftp://x", "JAVASCRIPT:x"]
)
def test_a_link_to_something_else_than_a_page_is_refused(address: str) -> None:
    (fault,) = refused(f"{SOUND}\n\n[klik]({address.replace('(1)', '')})")
    assert fault[0] == "TEMPLATE_ADDRESS"


@pytest.mark.parametrize(
    "body",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ title.__class__ }}",
        "{{ title['__class__'] }}",
        "{{ title|attr('__class__') }}",
        "{{ title.format(title) }}",
        "{{ '%s'|format(title) }}",
        "{{ '{0.__class__}'.format(title) }}",
        "{{ self.__init__.__globals__ }}",
        "{{ self._TemplateReference__context }}",
        "{{ config.items() }}",
        "{{ request.application.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__['os'].popen('id').read() }}",
        "{{ joiner.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ get_flashed_messages.__globals__ }}",
        "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
        "{% for x in range(999999999) %}{{ x }}{% endfor %}",
        "{% for x in title %}{{ x }}{% endfor %}",
        "{{ range(10**9)|list }}",
        "{{ 'a' * 10**9 }}",
        "{{ 9**9**9 }}",
        "{{ 1 / 0 }}",
        "{{ -title }}",
        "{{ title ~ title }}",
        "{{ [title, title] }}",
        "{{ {'a': title} }}",
        "{{ title[0:1] }}",
        "{{ title is mapping }}",
        "{% set title = 'x' %}",
        "{% set x %}{{ title }}{% endset %}",
        "{% macro x() %}{{ title }}{% endmacro %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import path %}",
        "{% extends 'x' %}",
        "{% block x %}{% endblock %}",
        "{% call title() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% autoescape false %}{{ title }}{% endautoescape %}",
        "{% with x = title %}{{ x }}{% endwith %}",
        "{% do title %}",
        "{% debug %}",
        "{{ caller() }}",
        "{{ _language }}",
        "{{ _values }}",
        "{{ loop.index }}",
        "{{ title|map('upper') }}",
        "{{ title|cut(title) }}",
        "{{ title|cut }}",
        "{{ title|pprint }}",
        "{{ " + "(" * 500 + "title" + ")" * 500 + " }}" + "{{ x }}",
        "{{ " + "not " * 5_000 + "title }}",
        "{{ " + "9" * 5_000 + " }}",
        "{% if title %}" * 60 + "{% endif %}" * 60,
        "{{ title" + " and title" * 60 + " }}",
        "x" * (LONGEST_SOURCE + 1),
        "\ue0000\ue001",
    ],
    ids=lambda body: body[:40],
)  # fmt: skip
def test_a_template_cannot_leave_the_sandbox(body: str) -> None:
    assert refused(SOUND + body)


@pytest.mark.parametrize(
    "body",
    [
        "{% for a in items %}{% for b in items %}{{ b.title }}{% endfor %}{% endfor %}",
        "{% for a in items recursive %}{{ loop(items) }}{% endfor %}",
        "{% for a, b in items %}{{ a }}{% endfor %}",
        "{% for items in items %}x{% endfor %}",
        "{% for _values in items %}x{% endfor %}",
        "{% for item in items %}{{ item }}{% endfor %}",
        "{% for item in items %}{{ item.__class__ }}{% endfor %}",
        "{% for item in items %}{{ item.pop('title') }}{% endfor %}",
        "{% for item in items %}{{ loop.previtem }}{% endfor %}",
        "{% for item in items if item.x %}x{% endfor %}",
        "{{ items }}",
    ],
)
def test_a_loop_goes_once_over_a_list_and_shows_what_it_declares(body: str) -> None:
    assert refused("{{ count }}" + body, kind="loan_digest")


def test_below_the_rules_the_sandbox_refuses_too() -> None:
    with pytest.raises(ValueError) as refusal:
        run("{{ title.__class__.__mro__ }}", {"title": "x"}, "id")
    assert isinstance(refusal.value.__cause__, SecurityError)


@pytest.mark.parametrize(
    "condition", ["days > 'a'", "title < 3", "title in days", "days in title", "title|upper >= days", "due_on > days"]
)
def test_a_number_and_a_text_are_not_compared_also_where_the_sample_does_not_come(condition: str) -> None:
    body = f"{SOUND}{{% if is_for_child %}}{{% if {condition} %}}x{{% endif %}}{{% endif %}}"
    assert refused(body) == {("TEMPLATE_COMPARISON", 1, "")}


def test_the_text_for_missing_values_is_tried_too() -> None:
    assert refused(SOUND + "{% if phone %}{{ phone }}{% else %}{{ days|date }}{% endif %}")
    assert refused(SOUND + "{% if not phone %}[klik](/a){% endif %}") == {("TEMPLATE_ADDRESS", 1, "klik")}


def test_values_of_the_same_type_are_compared() -> None:
    conditions = ["days > 1", "days != 'a'", "due_on < '2027-01-01'", "'a' in title", "1 < days <= 30"]
    body = SOUND + "".join(f"{{% if {condition} %}}x{{% endif %}}" for condition in conditions)
    assert not find_faults(body, KINDS["due_soon"].variables)


def test_a_text_of_an_earlier_release_that_is_not_sound_now_fails_alone() -> None:
    for body in ("{{ gone }}", "{% if days > 'a' %}x{% endif %}"):
        with pytest.raises(Invalid, match="NOTICE_FACT_INVALID"):
            render_source(
                Source(subject="Perpustakaan", body=body),
                kind=KINDS["due_soon"],
                channel="email",
                language="id",
                facts={"title": "x", "due_on": "2026-11-24", "days": 2},
            )


def test_many_brackets_are_read_in_bounded_time() -> None:
    started = time.process_time()
    blocks = parse("[" * 100_000, [])
    assert [len(block.lines) for block in blocks] == [1]
    assert time.process_time() - started < 2


def test_the_longest_template_is_rendered_in_bounded_time() -> None:
    body = "{% for item in items %}" + "{{ item.title }} " * 1_100 + "{% endfor %}"
    items = [{"title": "x" * 1_000, "due_on": "2026-11-24"}] * 10_000
    started = time.process_time()
    with pytest.raises(Invalid, match="NOTICE_TOO_LONG"):
        render_source(
            Source(subject="Perpustakaan", body=body),
            kind=KINDS["loan_digest"],
            channel="email",
            language="id",
            facts={"items": items},
        )
    assert time.process_time() - started < 2
