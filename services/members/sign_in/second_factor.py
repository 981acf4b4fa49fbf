"""The second factor: codes of six digits that an authenticator makes from a secret and the time (RFC 6238)."""

from __future__ import annotations

import hmac

import pyotp

from chassis import clock

STEP_SECONDS = 30
# Clocks of phones differ: the code before and the code after count too.
TOLERANCE = 1
ISSUER = "Rangkiang"


def new_secret() -> bytes:
    """Make a secret, as the text that authenticators read."""
    return pyotp.random_base32().encode()


def uri(secret: bytes, *, user: str) -> str:
    """Return the address that authenticators read from a QR code."""
    return pyotp.TOTP(secret.decode()).provisioning_uri(name=user, issuer_name=ISSUER)


def matching_counter(secret: bytes, code: str, *, after: int) -> int | None:
    """Return the number of the time step whose code this is; None when it is none.

    after  the last step that was used: neither it nor an earlier one counts again
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
