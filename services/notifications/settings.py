"""What an operator may set for notifications."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from chassis.settings import OwnSettings


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

    @property
    def master_key(self) -> Path:
        """The file of the master key."""
        data = self.data.absolute()
        return self.master_key_file or data.with_name(f"{data.name}.master-key")
