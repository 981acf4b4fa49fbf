"""A browser with its push service: it checks the signature, and decrypts with another library than the sender's."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.http_receiver import Answer, HttpReceiver, Received


class PushService:
    """One subscription. `status` is what the service replies; a topic that waits is replaced."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)
        self.status = 201
        self.headers: dict[str, str] = {}
        self.is_silent = False
        self.shown: dict[str, dict[str, Any]] = {}
        self.server = HttpReceiver(self._answer)

    @property
    def subscription(self) -> str:
        """What a browser gives to the library, as JSON."""
        public = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": _encode(public), "auth": _encode(self._auth)}
        return json.dumps({"endpoint": f"{self.server.url}/push/abc", "keys": keys})

    def _answer(self, request: Received) -> Answer:
        if self.status >= 400:
            return Answer(self.status, headers=self.headers)
        scheme, _, rest = request.headers["authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        point = base64.urlsafe_b64decode(parts["k"] + "=" * (-len(parts["k"]) % 4))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        claims = jwt.decode(parts["t"], key, algorithms=["ES256"], audience="http://127.0.0.1")
        if scheme != "vapid" or not claims["sub"].startswith("mailto:") or len(request.headers["topic"]) > 32:
            return Answer(403)
        content = http_ece.decrypt(request.body, private_key=self._key, auth_secret=self._auth, version="aes128gcm")
        document = json.loads(content)
        self.shown[document["tag"]] = document
        if self.is_silent:
            return Answer(is_silent=True)
        return Answer(201, headers={"Location": f"{self.server.url}/m/1"})

    def close(self) -> None:
        """End the server."""
        self.server.close()

    def __enter__(self) -> PushService:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
