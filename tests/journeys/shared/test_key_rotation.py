"""While the signing key of tokens is rotated, no client is refused."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from typing import Any

import httpx
import jwt
import pytest

from tests.conditions import eventually
from tests.journeys.library import Library

CLIENTS = 3
LONGEST_SECONDS = 300
# A busy machine may take longer than a call may.
TOO_BUSY = {503: "SERVICE_UNAVAILABLE", 504: "DEADLINE_PASSED"}


@pytest.mark.timeout(3 * LONGEST_SECONDS)
def test_clients_call_while_the_key_is_rotated_twice(cluster_library: Library) -> None:
    library = cluster_library
    name = f"program-{uuid.uuid4().hex[:8]}"
    client = library.command("client", "create", name, "--institution", "PKS", "--role", "administrator")
    keys: set[str] = set()
    answers: Counter[tuple[str, int, str]] = Counter()
    stop = threading.Event()

    def send(method: str, path: str, **options: Any) -> httpx.Response:
        response = httpx.request(method, f"{library.address}{path}", timeout=LONGEST_SECONDS, verify=False, **options)
        reason = "" if response.status_code == 200 else response.json().get("reason", response.text)
        answers[f"{method} {path}", response.status_code, reason] += 1
        return response

    def call() -> None:
        """Take a new token each time, and use it in circulation, members and the gateway."""
        credentials = (client["client_id"], client["client_secret"])
        while not stop.wait(0.5):
            form = {"grant_type": "client_credentials"}
            response = send("POST", "/oauth/token", data=form, auth=credentials)
            if response.status_code != 200:
                continue
            token = response.json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            for path in ("/api/v1/loans", "/api/v1/members", "/api/v1/account"):
                send("GET", path, headers=headers)
            # The gateway verifies the token before it describes a wrong request.
            send("POST", "/api/v1/members", content=b"{", headers={**headers, "Content-Type": "application/json"})
            keys.add(jwt.get_unverified_header(token)["kid"])

    threads = [threading.Thread(target=call) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        eventually(lambda: answers.total() > 5 * CLIENTS)
        new_keys = [library.command("keys", "rotate")["key"] for _ in range(2)]
        eventually(lambda: new_keys[-1] in keys, seconds=LONGEST_SECONDS)
        calls = answers.total()
        eventually(lambda: answers.total() > calls + 5 * CLIENTS)
    finally:
        stop.set()
        for thread in threads:
            thread.join(LONGEST_SECONDS)
    refused = {answer for answer in answers if answer[1] != 200 and TOO_BUSY.get(answer[1]) != answer[2]}
    assert {(request, status) for request, status, _ in refused} == {("POST /api/v1/members", 400)}
