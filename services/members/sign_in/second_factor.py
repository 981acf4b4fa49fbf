"""The second factor: codes of six digits that an authenticator app makes from a secret and the time (RFC 6238)."""

from __future__ import annotations

import hmac

import pyotp

from chassis import clock

STEP_SECONDS = 30
# Clocks of phones differ: the previous and the next code are valid too.
TOLERANCE = 1
ISSUER = "Rangkiang"


def new_secret() -> bytes:
    """Make a secret in the text form for authenticator apps (base32)."""
    return pyotp.random_base32().encode()


def uri(secret: bytes, *, user: str) -> str:
    """Return the otpauth:// URI that authenticator apps read from a QR code."""
    return pyotp.TOTP(secret.decode()).provisioning_uri(name=user, issuer_name=ISSUER)


def matching_counter(secret: bytes, code: str, *, after: int) -> int | None:
    """Return the number of the time step of this code; None when the code is wrong.

    after  the last used step; this step and earlier ones are no longer valid
    """
    totp = pyotp.TOTP(secret.decode(), interval=STEP_SECONDS)
    now = int(clock.now().timestamp()) // STEP_SECONDS
    typed = code.replace(" ", "")
    matching = None
    for counter in range(now - TOLERANCE, now + TOLERANCE + 1):
        if (
            hmac.compare_digest(totp.generate_otp(counter), typed.encode("ascii", "replace").decode())
            and counter > after
        ):
            matching = counter
    return matching
