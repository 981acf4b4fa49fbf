"""`rangkiang desk`: a lending desk in a terminal, which reads one scan per line and calls the API."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from chassis.output import print_json, print_text
from chassis.sentences import LocalText, sentence
from chassis.settings import load
from gateway.api_client import Answer, ApiClient
from gateway.settings import DeskSettings

FINDINGS = 1
app = typer.Typer(add_completion=False)


class Mode(StrEnum):
    lend = "lend"
    take_back = "return"
    read_here = "read-here"


@app.command("desk")
def desk(
    url: Annotated[str, typer.Option(help="URL of the library, such as https://192.168.1.10:8443.")],
    branch: Annotated[str, typer.Option(help="The branch of this desk, such as PKS/PST.")],
    mode: Annotated[Mode, typer.Option(help="The act for the first scans: lend, return or read-here.")] = Mode.lend,
    authority: Annotated[
        Path | None, typer.Option(help="Certificate of the library's own authority; DATA/tls/authority.crt by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each act.")] = False,
) -> None:
    """Lend, return and count items: one scan per line of standard input.

    Set RANGKIANG_TOKEN to an access token, or RANGKIANG_CLIENT_ID and RANGKIANG_CLIENT_SECRET to those of a client.
    Commands between scans: /u new borrower, /k returns, /b read here, /p renew all, /o REASON waives the last refusal.
    """
    settings = load()
    own = settings.data / "tls" / "authority.crt"
    client = ApiClient(
        url,
        settings.of(DeskSettings),
        language=settings.language,
        authority=authority or (own if own.exists() else None),
    )
    working = Desk(client, branch, mode, language=settings.language, as_json=json)
    working.read(sys.stdin)
    if working.refused:
        raise typer.Exit(FINDINGS)


class Desk:
    """The desk of one branch; `refused` is the number of refused scans and acts."""

    def __init__(self, client: ApiClient, branch: str, mode: Mode, *, language: str, as_json: bool) -> None:
        self._client, self._branch, self._mode = client, branch, mode
        self._language, self._as_json = language, as_json
        self._member = ""
        self._last: tuple[str, list[str]] | None = None  # the item and the reasons of the last refusal
        self.refused = 0

    def read(self, lines: Iterable[str]) -> None:
        """Process each line until the end of the input."""
        for line in lines:
            text = line.strip()
            if text.startswith("/"):
                self._command(text)
            elif text:
                self._scan(text)

    def _command(self, text: str) -> None:
        word, _, rest = text[1:].partition(" ")
        if word == "u":
            self._member, self._mode = "", Mode.lend
            self._say("new_borrower", "", sentence("DESK_NEXT_BORROWER"))
        elif word in ("k", "b"):
            self._mode = Mode.take_back if word == "k" else Mode.read_here
            self._say("mode", "", sentence("DESK_RETURNS") if word == "k" else sentence("DESK_READ_HERE"))
        elif word == "p" and self._member:
            self._renew_all()
        elif word == "o" and self._last is not None:
            item, reasons = self._last
            self._lend(item, override=reasons, reason=rest)
        else:
            self._say("help", "", sentence("DESK_COMMANDS"))

    def _scan(self, code: str) -> None:
        for form in dict.fromkeys((code, code.upper())):
            kind, answer = self._kind_of(form)
            if kind == "member":
                self._open(code, answer)
                return
            if kind == "item":
                code = form
                break
        if self._mode is Mode.lend and not self._member:
            self._say("scan", code, sentence("DESK_CARD_FIRST"))
            self.refused += 1
        elif self._mode is Mode.lend:
            self._lend(code)
        else:
            self._note(code)

    def _kind_of(self, code: str) -> tuple[str, dict[str, Any]]:
        """Return the kind of a code and the response. When members is not available, circulation finds the borrower."""
        answer = self._client.act("/scans", {"code": code})
        if answer.status != 503:
            return str(answer.body.get("kind", "")), answer.body
        borrower = self._client.get(f"/borrowers/{quote(code, safe='')}")
        return (
            ("", {}) if borrower.is_refused else ("member", {"member": {"id": borrower.body["member"], "name": code}})
        )

    def _open(self, code: str, scanned: dict[str, Any]) -> None:
        if (scanned.get("card_state") or "active") != "active":
            self._say("scan", code, sentence("DESK_CARD_INVALID", state=scanned["card_state"]))
            self.refused += 1
            return
        self._member, self._mode = scanned["member"]["id"], Mode.lend
        self._say("borrower", code, sentence("DESK_BORROWER", name=scanned["member"]["name"]))

    def _lend(self, item: str, *, override: list[str] | None = None, reason: str = "") -> None:
        body: dict[str, Any] = {"member": self._member, "item": item, "branch": self._branch}
        if override:
            body |= {"override": override, "reason": reason}
        answer = self._client.act("/check-outs", body)
        self._last = (item, answer.reasons) if answer.is_refused else None
        if not self._refuse("check_out", item, answer):
            loan = answer.body["loan"]
            text = sentence("DESK_LENT", title=loan["item"]["title"], due=loan["due_on"])
            self._say("check_out", item, text, answer)

    def _note(self, item: str) -> None:
        """Return an item, or count an in-library use."""
        is_return = self._mode is Mode.take_back
        path, act = ("/check-ins", "check_in") if is_return else ("/in-library-uses", "in_library_use")
        answer = self._client.act(path, {"item": item, "branch": self._branch})
        if self._refuse(act, item, answer):
            return
        title = answer.body["item"]["title"]
        if not is_return:
            self._say(act, item, sentence("DESK_COUNTED", title=title), answer)
        elif not answer.body["loan"] and answer.body["next"] != "transit":
            self._say(act, item, sentence("DESK_NOT_LENT", title=title), answer)
        elif answer.body["next"] == "transit":
            self._say(act, item, sentence("DESK_TO_BRANCH", title=title, branch=answer.body["to"]), answer)
        else:
            self._say(act, item, sentence("DESK_RETURNED", title=title), answer)
        for note in answer.body.get("notes", ()):
            self._print(note["detail"])

    def _renew_all(self) -> None:
        answer = self._client.act(f"/members/{self._member}/loan-renewals", {})
        if self._refuse("renew_all", "", answer):
            return
        renewed = sum(hit["renewed"] for hit in answer.body["hits"])
        text = sentence("DESK_RENEWED", renewed=renewed, total=answer.body["total"])
        self._say("renew_all", "", text, answer)
        for hit in answer.body["hits"]:
            for refusal in hit["refusals"]:
                self._print(f"{hit['loan']['item']['title']}: {refusal['detail']}")

    def _refuse(self, act: str, code: str, answer: Answer) -> bool:
        """Print the reasons of a refusal; return whether the act was refused."""
        if answer.is_refused:
            self.refused += 1
            if self._as_json:
                print_json({"act": act, "scan": code, "status": answer.status, "answer": answer.body})
            else:
                self._print(f"✕ {code} {answer.body.get('detail', '')}")
        return answer.is_refused

    def _say(self, act: str, code: str, text: LocalText, answer: Answer | None = None) -> None:
        sentence = text.in_language(self._language)
        if self._as_json:
            result = {"status": answer.status, "answer": answer.body} if answer is not None else {"text": sentence}
            print_json({"act": act, "scan": code, **result})
        else:
            self._print(sentence)

    def _print(self, text: str) -> None:
        if not self._as_json:
            print_text(text)
