"""Signing in with the pages, as a browser without JavaScript does, over a real members service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.cookies import SimpleCookie
from urllib.parse import quote
from uuid import UUID

import httpx
import pyotp
import pytest
from sqlalchemy import select

from chassis import clock
from chassis.settings import Settings
from gateway import sessions
from gateway.app import create_app
from services.members.sign_in.accounts import make_link
from services.members.tables import Account, Session
from tests.fakes.accounts import PASSWORD, TEST, Staff, add_staff, new_user
from tests.fakes.running import away, running
from tests.web.visitors import Visitor, visitor


@pytest.fixture(scope="module")
def desk(address: str) -> Staff:
    return add_staff(new_user("desk"), "desk", name="Budi Santoso")


@pytest.fixture(scope="module")
def administrator(address: str) -> Staff:
    return add_staff(new_user("admin"), "administrator", name="Siti Rahma")


@pytest.fixture
def reader(address: str) -> Iterator[Visitor]:
    with visitor(address) as reader:
        yield reader


def cookies_of(response: httpx.Response) -> SimpleCookie:
    jar = SimpleCookie()
    for line in response.headers.get_list("set-cookie"):
        jar.load(line)
    return jar


@pytest.mark.parametrize("back", ["", "/"])
def test_a_cataloguer_without_a_desk_begins_at_the_pages_of_cataloguing(reader: Visitor, back: str) -> None:
    cataloguer = add_staff(new_user("cataloguer"), "cataloguer")
    assert reader.sign_in(cataloguer, back=back).headers["location"] == "/catalogue"
    page = reader.open("/catalogue")
    assert page.xpath("//header//a[@aria-current='page']/@href") == ["/catalogue"]
    assert "One offer from an import" in reader.text


def test_a_reader_signs_in_returns_to_the_page_and_signs_out(reader: Visitor, desk: Staff) -> None:
    response = reader.sign_in(desk, back="/search%3Fq%3Dsurau")
    assert (response.status_code, response.headers["location"]) == (303, "/search?q=surau")
    page = reader.open("/search?q=surau")
    assert "Budi Santoso" in page.xpath("//header")[0].text_content()
    assert reader.response.headers["cache-control"] == "no-store"
    reader.send("/sign-out")
    assert "Budi Santoso" not in reader.response.text
    reader.open("/account")
    assert reader.response.url.path == "/sign-in"


def test_the_cookie_of_a_session_is_not_for_scripts_nor_for_other_sites(reader: Visitor, desk: Staff) -> None:
    cookie = cookies_of(reader.sign_in(desk))[sessions.HTTP_COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    # Over http on this machine a browser would refuse a cookie with Secure.
    assert not cookie["secure"]
    assert not cookie["domain"]
    assert not cookie["max-age"]


def test_over_https_the_cookie_is_bound_to_this_host(address: str, desk: Staff) -> None:
    async def sign_in() -> httpx.Response:
        app = create_app(Settings(rate_limit=0))
        transport = httpx.ASGITransport(app=app, client=("192.0.2.7", 1))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="https://katalog.example.org") as http,
        ):
            form = await http.get("/sign-in", headers={"Accept": "text/html"})
            reader = Visitor(httpx.Client(verify=False))
            reader.response = form
            values = {**reader.form("/sign-in"), "user": desk.user, "password": PASSWORD}
            return await http.post("/sign-in", data=values)

    # In a thread, because Playwright's loop may run in this one.
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(lambda: asyncio.run(sign_in())).result()
    cookie = cookies_of(response)[sessions.HTTPS_COOKIE]
    assert sessions.HTTPS_COOKIE.startswith("__Host-")
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")


def test_the_second_factor_is_a_second_step_without_the_password_in_it(reader: Visitor, administrator: Staff) -> None:
    reader.open("/sign-in")
    reader.send("/sign-in", {"user": administrator.user, "password": PASSWORD}, follow=False)
    assert reader.response.status_code == 200
    assert PASSWORD not in reader.response.text
    assert administrator.user not in reader.form("/sign-in").values()
    reader.send("/sign-in", {"totp": "000000"}, follow=False)
    assert reader.response.status_code == 401
    assert "wrong" in reader.text
    reader.send("/sign-in", {"totp": administrator.code()}, follow=False)
    assert reader.response.status_code == 303


def test_the_second_step_is_of_no_use_to_another_browser_and_after_five_minutes(
    reader: Visitor, address: str, administrator: Staff
) -> None:
    reader.open("/sign-in")
    reader.send("/sign-in", {"user": administrator.user, "password": PASSWORD}, follow=False)
    sealed = reader.form("/sign-in")["sealed"]
    with visitor(address) as thief:
        thief.open("/sign-in")
        thief.send("/sign-in", {"sealed": sealed, "totp": administrator.code()}, follow=False)
        assert thief.response.status_code == 400
    with clock.frozen(clock.now() + timedelta(minutes=6)):
        reader.send("/sign-in", {"totp": administrator.code()}, follow=False)
    assert reader.response.status_code == 400
    assert "five minutes" in reader.text


def test_a_wrong_password_says_so_and_keeps_the_user_name(reader: Visitor, desk: Staff) -> None:
    reader.open("/sign-in?back=/browse")
    reader.send("/sign-in", {"user": desk.user, "password": "quite wrong"}, follow=False)
    assert reader.response.status_code == 401
    form = reader.form("/sign-in")
    assert (form["user"], form.get("password"), form["back"]) == (desk.user, None, "/browse")
    assert "quite wrong" not in reader.response.text
    assert "password or code is wrong" in reader.text


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)",
        "/\t/evil.example", "\n//evil.example", "/ok\r\nSet-Cookie: a=b", " /evil", "evil.example", "/sign-in?back=/x",
        "/sign-out", "",
    ],
)  # fmt: skip
def test_a_sign_in_leads_to_no_other_site(reader: Visitor, desk: Staff, back: str) -> None:
    response = reader.sign_in(desk, back=quote(back, safe=""))
    assert response.headers["location"] == "/desk"
    assert not response.headers.get_list("set-cookie")[0].startswith("a=")


@pytest.mark.parametrize(
    ("role", "work"),
    [("desk", "/desk"), ("cataloguer", "/catalogue"), ("manager", "/desk"), ("administrator", "/desk")],
)
def test_staff_land_on_the_page_of_their_work_unless_they_asked_for_another(address: str, role: str, work: str) -> None:
    with clock.frozen(clock.now() - timedelta(minutes=5)):
        staff = add_staff(new_user(role), role)
    for minutes, back, target in ((0, "", work), (1, "/", work), (2, "/search%3Fq%3Dsurau", "/search?q=surau")):
        # Each code of the second factor counts once.
        with visitor(address) as reader, clock.frozen(clock.now() + timedelta(minutes=minutes)):
            assert reader.sign_in(staff, back=back).headers["location"] == target


def test_each_sign_in_has_a_new_secret_and_ends_the_session_before(reader: Visitor, desk: Staff, address: str) -> None:
    reader.http.cookies.set(sessions.HTTP_COOKIE, "planted-by-somebody-else", domain="127.0.0.1", path="/")
    reader.sign_in(desk)
    first = cookies_of(reader.response)[sessions.HTTP_COOKIE].value
    assert first != "planted-by-somebody-else"
    reader.sign_in(desk)
    second = cookies_of(reader.response)[sessions.HTTP_COOKIE].value
    assert second not in (first, "")
    old = httpx.get(f"{address}/account", cookies={sessions.HTTP_COOKIE: first}, verify=False)
    assert old.headers["location"].startswith("/sign-in")


def test_the_api_does_not_read_the_cookie(reader: Visitor, desk: Staff) -> None:
    reader.sign_in(desk)
    assert reader.http.get("/account").status_code == 200
    assert reader.http.get("/api/v1/account").status_code == 401


def test_a_session_that_has_ended_leads_to_the_sign_in_and_back(reader: Visitor, desk: Staff) -> None:
    reader.sign_in(desk)
    with clock.frozen(clock.now() + timedelta(minutes=31)):
        response = reader.http.get("/account?lang=en")
        assert response.headers["location"] == "/sign-in?back=%2Faccount%3Flang%3Den"
        assert cookies_of(response)[sessions.HTTP_COOKIE]["max-age"] == "0"
        # Pages for everybody are served, and the cookie is taken back.
        reader.http.cookies.set(sessions.HTTP_COOKIE, "gone", domain="127.0.0.1", path="/")
        assert reader.open("/") is not None
        assert "Budi Santoso" not in reader.response.text


def test_anonymous_pages_are_the_same_for_everybody_and_stay_cacheable(reader: Visitor, desk: Staff) -> None:
    before = reader.http.get("/search?q=surau")
    reader.sign_in(desk)
    reader.http.cookies.clear()
    after = reader.http.get("/search?q=surau", headers={"If-None-Match": before.headers["etag"]})
    assert before.headers["cache-control"] == "private, no-cache"
    assert after.status_code == 304


def test_on_plain_http_off_this_machine_reading_works_and_sign_in_says_what_to_do(reader: Visitor) -> None:
    elsewhere = {"Host": "192.168.1.5:8080"}
    assert reader.http.get("/search?q=surau", headers=elsewhere).status_code == 200
    for path in ("/sign-in", "/sign-in/link/abc"):
        response = reader.http.get(path, headers=elsewhere)
        assert response.status_code == 403
        assert "rangkiang tls init" in response.text
    credentials = {"user": "a", "password": "b"}
    response = reader.http.post("/sign-in", data=credentials, headers=elsewhere)
    assert "rangkiang tls init" in response.text


def test_the_catalogue_goes_on_while_members_is_away(reader: Visitor, desk: Staff) -> None:
    reader.sign_in(desk)
    with away("members"), clock.frozen(clock.now() + timedelta(minutes=5)):
        assert reader.http.get("/search?q=surau").status_code == 200
        assert reader.http.get("/account").status_code == 503
        # The session is still known, so the form's own token is needed.
        assert reader.http.post("/sign-out").status_code == 403


def test_a_new_administrator_begins_with_the_link(reader: Visitor, address: str) -> None:
    # Each code counts once, so the second of the new administrator is that of a later step.
    with clock.frozen(clock.now() - timedelta(seconds=90)):
        reader.sign_in(add_staff(new_user("admin"), "administrator"))
        reader.open("/staff")
        user = new_user("rina")
        reader.send("/staff", {"name": "Rina", "user": user, "roles": ["administrator", "desk"]})
        [link] = reader.page.xpath("//code[@class='copied']/text()")
        path = link.removeprefix(address)
        assert path.startswith("/sign-in/link/")
        assert link not in reader.open("/staff").text_content()
        with visitor(address) as rina:
            rina.open(path)
            [key] = rina.page.xpath("//code[@class='copied']/text()")
            assert rina.page.xpath("//svg[@role='img']")
            assert {len(group) for group in key.split(" ")} == {4}
            new = Staff("", user, key.replace(" ", ""))
            words = {"password": PASSWORD, "repeated": PASSWORD + "x", "totp": "000000"}
            assert rina.send(path, words).status_code == 400
            assert "not the same" in rina.text
            assert rina.send(path, {**words, "repeated": PASSWORD}).status_code == 400
            assert "phone's clock" in rina.text
            assert rina.send(path, {**words, "repeated": PASSWORD, "totp": new.code()}).status_code == 200
            assert rina.form("/sign-in")["user"] == user
            rina.open(path)
            assert rina.response.status_code == 404
            with clock.frozen(clock.now() + timedelta(seconds=60)):
                assert rina.sign_in(new).status_code == 303


def test_the_memory_for_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    from rangkiang.members.v1.sign_in_pb2 import AccessToken, Account

    monkeypatch.setattr(sessions, "MOST_TOKENS", 3)
    kept_sessions = sessions.Sessions()
    for number in range(10):
        kept_sessions.keep(f"secret {number}", AccessToken(token="t", expires_in_seconds=300), Account())
    assert len(kept_sessions) == 3


def test_on_a_shared_computer_the_cookie_of_a_member_ends_with_the_browser(reader: Visitor) -> None:
    member = add_staff(new_user("member"), "desk")
    with running["members"].database.transaction(TEST) as session:
        session.get_one(Account, UUID(member.id)).is_member = True
    for shared, seconds in (("", str(sessions.MEMBER_COOKIE_SECONDS)), ("1", "")):
        reader.open("/sign-in")
        sent = {"user": member.user, "password": PASSWORD, **({"shared": shared} if shared else {})}
        response = reader.send("/sign-in", sent, follow=False)
        assert cookies_of(response)[sessions.HTTP_COOKIE]["max-age"] == seconds
    assert [session.is_shared for session in sessions_of(member)] == [False, True]


def test_the_tick_for_a_shared_computer_stays_for_the_second_step(reader: Visitor, administrator: Staff) -> None:
    with clock.frozen(clock.now() + timedelta(minutes=30)):
        reader.open("/sign-in")
        reader.send("/sign-in", {"user": administrator.user, "password": PASSWORD, "shared": "1"}, follow=False)
        reader.send("/sign-in", {"totp": administrator.code()}, follow=False)
        assert reader.response.status_code == 303
    assert sessions_of(administrator)[-1].is_shared


def test_the_page_of_a_link_shows_its_second_factor_once(reader: Visitor) -> None:
    rani = add_staff(new_user("admin"), "administrator")
    with running["members"].database.transaction(TEST) as session:
        link = make_link(session, session.get_one(Account, UUID(rani.id)))
    path = f"/sign-in/link/{link}"
    [first] = reader.open(path).xpath("//code[@class='copied']/text()")
    reader.send(path, {"password": PASSWORD, "repeated": PASSWORD, "totp": "000000"})
    assert reader.response.status_code == 400
    assert not reader.page.xpath("//code[@class='copied'] | //svg[@role='img']")
    assert "shown only once" in reader.text
    code = pyotp.TOTP(first.replace(" ", "")).at(clock.now())
    values = {"password": PASSWORD, "repeated": PASSWORD, "totp": code}
    [second] = reader.open(path).xpath("//code[@class='copied']/text()")
    assert second != first
    assert reader.send(path, values).status_code == 400
    assert reader.send(path, {**values, "totp": pyotp.TOTP(second.replace(" ", "")).at(clock.now())}).status_code == 200
    assert "You can sign in now" in reader.text


def sessions_of(person: Staff) -> list[Session]:
    with running["members"].database.reading(TEST) as session:
        rows = session.scalars(select(Session).where(Session.account_id == UUID(person.id)).order_by(Session.id))
        return list(rows)


def test_while_members_does_not_answer_staff_go_on_for_half_an_hour(reader: Visitor) -> None:
    desk = add_staff(new_user("desk"), "desk")
    reader.open("/sign-in")
    assert reader.send("/sign-in", {"user": desk.user, "password": PASSWORD}, follow=False).status_code == 303
    reader.open("/desk/overdue")
    assert reader.response.status_code == 200
    for minutes, status in ((10, 200), (34, 200), (36, 503)):
        with away("members"), clock.frozen(clock.now() + timedelta(minutes=minutes)):
            reader.open("/desk/overdue")
        assert (minutes, reader.response.url.path, reader.response.status_code) == (minutes, "/desk/overdue", status)


def test_while_members_does_not_answer_a_browser_forgets_the_session_that_is_signed_out(
    reader: Visitor, desk: Staff
) -> None:
    reader.sign_in(desk)
    reader.open("/desk/overdue")
    with away("members"):
        response = reader.send("/sign-out", follow=False)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert cookies_of(response)[sessions.HTTP_COOKIE]["max-age"] == "0"
    reader.open("/account")
    assert reader.response.url.path == "/sign-in"
