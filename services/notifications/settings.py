"""What an operator may set for notifications."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from chassis.addresses import networks
from chassis.errors import Unavailable
from chassis.settings import OwnSettings


def _networks(value: str) -> str:
    networks(value)
    return value


class NotificationsSettings(OwnSettings):
    """The settings of notifications, and the platform's DATA, on which the default of MASTER_KEY_FILE depends."""

    data: Path = Path("var")
    master_key_file: Path | None = Field(
        default=None,
        description="file of the key that seals personal data; next to DATA, named DATA.master-key, if empty",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s?#\"'<>\\]+/?)?$",
        description="scheme, host and port of links that must be whole; as each request names them if empty",
    )
    channels: str = Field(
        default="print:",
        repr=False,
        description=(
            "URLs of the channels that carry notices, in order of fallback, with blanks between: smtp://… whatsapp://… "
            "http+form:… http+json:… webpush:… console: print:"
        ),
    )
    whatsapp_app_secret_file: Path | None = Field(
        default=None,
        description="file of the app secret that signs WhatsApp's callbacks; without it they are refused",
    )
    whatsapp_verify_token_file: Path | None = Field(
        default=None, description="file of the word with which WhatsApp checks the address of callbacks"
    )
    outgoing_private_networks: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        description=(
            "addresses and networks of the library that gateways and partners' webhooks may have, separated by "
            "commas; without them only public addresses are called"
        ),
    )
    push_private_networks: Annotated[str, AfterValidator(_networks)] = Field(
        default="",
        description=(
            "addresses and networks that are not public and where push services of browsers may be, separated by "
            "commas: any member names such an address; for tests, and for an intranet with its own push service"
        ),
    )

    @property
    def master_key(self) -> Path:
        """The file of the master key."""
        data = self.data.absolute()
        return self.master_key_file or data.with_name(f"{data.name}.master-key")

    @property
    def whatsapp_app_secret(self) -> str:
        """The text of its file; "" without one."""
        return _read(self.whatsapp_app_secret_file)

    @property
    def whatsapp_verify_token(self) -> str:
        """The text of its file; "" without one."""
        return _read(self.whatsapp_verify_token_file)


def _read(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else type(problem).__name__
        raise Unavailable("SECRET_FILE_UNUSABLE", file=str(file), why=why or "") from None
