"""A client of the API for commands: one connection, renewed tokens, and acts that can be repeated safely."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chassis.errors import Invalid, Unavailable
from chassis.ids import new_id_text
from gateway.settings import DeskSettings

TIMEOUT_SECONDS = 15
# Seconds between attempts of a request without a final response.
PAUSES = (0.5, 1, 2, 4, 8)
_NO_ANSWER = (429, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request. `body` is its JSON; from status 400 on, a problem document."""

    status: int
    body: dict[str, Any]

    @property
    def is_refused(self) -> bool:
        return self.status >= 400

    @property
    def reasons(self) -> list[str]:
        return [refusal["reason"] for refusal in self.body.get("refusals", ())]


class ApiClient:
    """Sends requests to one library as one caller.

    url        scheme, host and port
    authority  certificate of the library's own authority, in addition to those of the system
    sleep      waits for a number of seconds
    raises     Invalid  DESK_URL_INVALID, DESK_TOKEN_MISSING
    """

    def __init__(
        self,
        url: str,
        settings: DeskSettings,
        *,
        language: str,
        authority: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid("DESK_URL_INVALID", url=url)
        if not settings.rangkiang_token and not (settings.rangkiang_client_id and settings.rangkiang_client_secret):
            raise Invalid("DESK_TOKEN_MISSING")
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            if authority is not None:
                context.load_verify_locations(authority)
            self._connection = http.client.HTTPSConnection(
                parts.hostname, parts.port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        self._settings, self._language, self._sleep = settings, language, sleep
        self._token = settings.rangkiang_token

    def get(self, path: str) -> Answer:
        return self._call("GET", path, None, {})

    def act(self, path: str, body: dict[str, Any]) -> Answer:
        """POST an act. An attempt without a final response is repeated with the same Idempotency-Key.

        raises  Unavailable  DESK_NO_ANSWER            no response to the last attempt
                             DESK_CERTIFICATE_UNKNOWN
                Invalid      DESK_CLIENT_REFUSED       the client's id or secret is refused
        """
        return self._call("POST", path, body, {"Idempotency-Key": new_id_text()})

    def _call(self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Answer:
        for pause in (*PAUSES, None):
            answer = self._send(method, path, body, {**headers, "Authorization": f"Bearer {self._fresh_token()}"})
            if answer is not None and answer.status == 401 and self._settings.rangkiang_client_id:
                self._token = ""
                answer = self._send(method, path, body, {**headers, "Authorization": f"Bearer {self._fresh_token()}"})
            if answer is not None and (answer.status not in _NO_ANSWER or pause is None):
                return answer
            if pause is not None:
                self._sleep(pause)
        raise Unavailable("DESK_NO_ANSWER", host=self._connection.host)

    def _fresh_token(self) -> str:
        """Return the access token. For a client without a token, request one."""
        if not self._token and self._settings.rangkiang_client_id:
            body = {
                "client_id": self._settings.rangkiang_client_id,
                "client_secret": self._settings.rangkiang_client_secret,
            }
            answer = self._send("POST", "/tokens", body, {})
            if answer is not None and not answer.is_refused:
                self._token = answer.body["access_token"]
            elif answer is not None and answer.status not in _NO_ANSWER:
                raise Invalid("DESK_CLIENT_REFUSED", why=answer.body.get("detail", ""))
        return self._token

    def _send(self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Answer | None:
        """Send one request; return None when there is no response.

        raises  Unavailable  DESK_CERTIFICATE_UNKNOWN
        """
        payload = None if body is None else json.dumps(body).encode()
        fields = {"Accept": "application/json", "Accept-Language": self._language, **headers}
        if payload is not None:
            fields["Content-Type"] = "application/json"
        try:
            self._connection.request(method, f"/api/v1{path}", payload, fields)
            response = self._connection.getresponse()
            content = response.read()
            return Answer(response.status, json.loads(content) if content else {})
        except ssl.SSLCertVerificationError as problem:
            raise Unavailable("DESK_CERTIFICATE_UNKNOWN", why=problem.verify_message) from None
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            return None
