"""Settings of notifications."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from chassis.errors import Unavailable
from chassis.settings import NetworkList, OwnSettings


class NotificationsSettings(OwnSettings):
    """The settings of notifications, and DATA of the platform, which gives the default of MASTER_KEY_FILE."""

    data: Path = Path("var")
    master_key_file: Path | None = Field(
        default=None,
        description="file of the key that seals personal data; next to DATA, named DATA.master-key, if empty",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s?#\"'<>\\]+/?)?$",
        description="scheme, host and port of absolute links; if empty, those of each request",
    )
    channels: str = Field(
        default="print:",
        repr=False,
        description=(
            "URLs of the channels that send notices, in order of fallback, separated by blanks: smtp://… whatsapp://… "
            "http+form:… http+json:… webpush:… console: print:"
        ),
    )
    whatsapp_app_secret_file: Path | None = Field(
        default=None,
        description="file of the app secret that signs WhatsApp's callbacks, for numbers without secret-file",
    )
    whatsapp_verify_token_file: Path | None = Field(
        default=None,
        description="file of the verify token of WhatsApp's callback URL, for numbers without verify-token-file",
    )
    outgoing_private_networks: NetworkList = Field(
        default="",
        description=(
            "private addresses and networks on which gateways, partners' webhooks and outside sources may be called, "
            "separated by commas; without them only public addresses are called"
        ),
    )
    push_private_networks: NetworkList = Field(
        default="",
        description=(
            "private addresses and networks on which push services of browsers may be called, separated by "
            "commas; members send these addresses, so use it only for tests or an intranet with its own push service"
        ),
    )

    @property
    def master_key(self) -> Path:
        """The file of the master key."""
        data = self.data.absolute()
        return self.master_key_file or data.with_name(f"{data.name}.master-key")

    @property
    def whatsapp_app_secret(self) -> str:
        """The content of the file WHATSAPP_APP_SECRET_FILE; "" if it is not set."""
        return _read(self.whatsapp_app_secret_file)

    @property
    def whatsapp_verify_token(self) -> str:
        """The content of the file WHATSAPP_VERIFY_TOKEN_FILE; "" if it is not set."""
        return _read(self.whatsapp_verify_token_file)


def _read(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeError) as problem:
        why = problem.strerror if isinstance(problem, OSError) else type(problem).__name__
        raise Unavailable("SECRET_FILE_UNUSABLE", file=str(file), why=why or "") from None
