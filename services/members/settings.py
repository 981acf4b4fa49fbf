"""Settings of members."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from chassis.settings import OwnSettings


class MembersSettings(OwnSettings):
    """The settings of members, and of the platform DATA, which gives the default of MASTER_KEY_FILE, and WORKERS."""

    data: Path = Path("var")
    workers: int = Field(default=1, ge=1, le=64)
    master_key_file: Path | None = Field(
        default=None,
        description="file of the key that seals personal data; next to DATA, named DATA.master-key, if empty",
    )
    staff_idle_minutes: int = Field(
        default=30, ge=1, le=720, description="minutes without a request after which staff must sign in again"
    )
    member_idle_days: int = Field(
        default=30, ge=1, le=365, description="days without a request after which a member must sign in again"
    )
    manager_second_factor: Literal["on", "off"] = Field(
        default="off", description="managers sign in with a code of an authenticator, as administrators always do"
    )
    partner_requests_a_minute: int = Field(
        default=3_000, ge=1, le=1_000_000, description="requests per minute and process of a partner without own limits"
    )
    partner_requests_a_day: int = Field(
        default=200_000, ge=1, le=1_000_000_000, description="requests per day of a partner without own limits"
    )
    partner_records_a_day: int = Field(
        default=2_000_000, ge=1, le=1_000_000_000, description="records per day of a partner without own limits"
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s?#\"'<>\\]+/?)?$",
        description="scheme, host and port of absolute links; if empty, those of each request",
    )

    @property
    def master_key(self) -> Path:
        """The file of the master key."""
        data = self.data.absolute()
        return self.master_key_file or data.with_name(f"{data.name}.master-key")
