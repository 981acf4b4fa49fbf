"""A browser without JavaScript: it keeps cookies, and sends the forms of pages as a reader fills them in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx
import lxml.html

from tests.fakes.accounts import PASSWORD, Staff


class Visitor:
    """One reader's browser."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.response: httpx.Response

    def open(self, path: str, **headers: str) -> lxml.html.HtmlElement:
        """Go to a page, follow redirects, and return it."""
        self.response = self.http.get(path, follow_redirects=True, headers=headers)
        return self.page

    @property
    def page(self) -> lxml.html.HtmlElement:
        return lxml.html.fromstring(self.response.text, base_url=str(self.response.url))

    @property
    def text(self) -> str:
        """What the page says."""
        return " ".join(self.page.xpath("//main")[0].text_content().split())

    def form(self, action: str) -> dict[str, str]:
        """Return what the form with this action would send as it stands."""
        form = next(form for form in self.page.forms if form.action.endswith(action))
        return dict(form.form_values())

    def send(
        self, action: str, values: Mapping[str, str | list[str]] | None = None, *, follow: bool = True, **headers: str
    ) -> httpx.Response:
        """Fill in the form with this action, and send it."""
        data = {**self.form(action), **(values or {})}
        self.response = self.http.post(action, data=data, follow_redirects=follow, headers=headers)
        return self.response

    def sign_in(self, staff: Staff, back: str = "") -> httpx.Response:
        """Sign in; leave the last response unfollowed."""
        self.open(f"/sign-in?back={back}")
        self.send("/sign-in", {"user": staff.user, "password": PASSWORD}, follow=False)
        if staff.totp:
            self.send("/sign-in", {"totp": staff.code()}, follow=False)
        return self.response


@contextmanager
def visitor(address: str) -> Iterator[Visitor]:
    with httpx.Client(
        base_url=address, timeout=20, headers={"Accept": "text/html", "Accept-Language": "en"}, verify=False
    ) as http:
        yield Visitor(http)
