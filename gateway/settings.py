"""What an operator may set for the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from chassis.settings import OwnSettings


class GatewaySettings(OwnSettings):
    """The gateway's settings."""

    rate_limit: int = Field(
        default=3_000, ge=0, le=1_000_000, description="requests a minute from one address to one process; 0: no limit"
    )
    cors_origins: str = Field(
        default="",
        pattern=r"^(\*|https?://[^/\s,]+(\s*,\s*https?://[^/\s,]+)*)?$",
        description="origins whose scripts may read the API in a browser, with commas between; *: any; none if empty",
    )
    query_log: Literal["on", "off"] = Field(default="on", description="whether searches are kept, without persons")
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s?#\"'<>\\]+/?)?$",
        description="scheme, host and port of links that must be whole; as each request names them if empty",
    )
    covers: Path | None = Field(
        default=None, description="folder of cover pictures, named by ISBN; every cover is drawn if empty"
    )
