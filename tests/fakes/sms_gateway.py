"""A rented gateway as Indonesian libraries know them: it always replies 200, and the body says what happened."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.http_receiver import Answer, HttpReceiver, Received

KEY = "kunci-gateway-rahasia"
SPEC = """
url = "{url}/api/send"
phone = "{phone}"
timeout_seconds = 3
deduplicates = true

[fields]
userkey = "{{secret:key}}"
to = "{{to}}"
message = "{{text}}"
ref = "{{id}}"

[headers]
X-Key = "Bearer {{secret:key}}"

[secrets]
key = "key"

[success]
status = [200]
json = {{ path = "status", equals = [1, true] }}

[provider_id]
path = "data.id"

[[refusals]]
json = {{ path = "text", equals = "Invalid number" }}
state = "permanent"
bad_address = true

[[refusals]]
regex = "(?i)insufficient credit|wrong key"
state = "temporary"
channel = true

[check]
url = "{url}/api/balance?key={{secret:key}}"
success = {{ json = {{ path = "credit" }} }}

[ask]
url = "{url}/api/status?ref={{id}}&key={{secret:key}}"
success = {{ json = {{ path = "found", equals = true }} }}
"""


class SmsGateway:
    """The gateway; `credit` messages may go, and a reference is sent once."""

    def __init__(self, *, is_json: bool = False) -> None:
        self.is_json = is_json
        self.credit = 1_000
        self.sent: dict[str, dict[str, str]] = {}
        self.unknown: set[str] = set()
        self.is_silent = False
        self.status = 200
        self.server = HttpReceiver(self._answer)

    def write_spec(self, folder: Path, *, phone: str = "0") -> Path:
        """Write the description of this gateway and its key to a folder; return the description's path."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "key").write_text(f"{KEY}\n")
        path = folder / "sms.toml"
        path.write_text(SPEC.format(url=self.server.url, phone=phone))
        return path

    def _answer(self, request: Received) -> Answer:
        if request.path.startswith("/api/balance"):
            is_known = request.fields["key"] == KEY
            return Answer(body=json.dumps({"credit": self.credit} if is_known else {"text": "Wrong key"}).encode())
        if request.method == "GET":
            return Answer(body=json.dumps({"found": request.fields["ref"] in self.sent, "data": {"id": "77"}}).encode())
        if self.status != 200:
            return Answer(self.status)
        fields = json.loads(request.body) if self.is_json else request.fields
        if fields["userkey"] != KEY or request.headers["x-key"] != f"Bearer {KEY}":
            return _reply(0, "Wrong key")
        if fields["to"] in self.unknown:
            return _reply(0, "Invalid number")
        if self.credit <= 0:
            return _reply(0, "Insufficient credit")
        if fields["ref"] not in self.sent:
            self.credit -= 1
            self.sent[fields["ref"]] = fields
        return Answer(is_silent=True) if self.is_silent else _reply(1, "Success", data={"id": 77})

    def close(self) -> None:
        """End the server."""
        self.server.close()

    def __enter__(self) -> SmsGateway:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _reply(status: int, text: str, **more: object) -> Answer:
    return Answer(body=json.dumps({"status": status, "text": text, **more}).encode())
