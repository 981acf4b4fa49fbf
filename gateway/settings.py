"""The settings of the gateway."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from chassis.settings import OwnSettings


class GatewaySettings(OwnSettings):
    """Settings of the gateway process."""

    environment: Literal["development", "production"] = "development"
    rate_limit: int = Field(
        default=3_000,
        ge=0,
        le=1_000_000,
        description=(
            "requests per minute, of at most 10 ms of CPU time each, that one process accepts from one credential, or "
            "from one address without a credential; 0: no limit"
        ),
    )
    requests_at_once: int = Field(
        default=4,
        ge=0,
        le=10_000,
        description=(
            "requests that one process runs at once for one credential, or for one address without a credential; "
            "others wait; 0: no limit"
        ),
    )
    call_seconds: float = Field(
        default=5, ge=1, le=60, description="seconds that a request waits for the reply of a service; then it fails"
    )
    cors_origins: str = Field(
        default="",
        pattern=r"^(\*|https?://[^/\s,]+(\s*,\s*https?://[^/\s,]+)*)?$",
        description="origins whose scripts may read the API in a browser, separated by commas; *: any; empty: none",
    )
    query_log: Literal["on", "off"] = Field(default="on", description="log searches, without personal data")
    access_log: Literal["on", "off"] = Field(
        default="off", description="log each request in JSON, without its query and its address"
    )
    access_log_details: str = Field(
        default="",
        pattern=r"^((queries|addresses)(,(queries|addresses))?)?$",
        description="additional fields of the access log: queries, addresses, or both, separated by a comma",
    )
    public_url: str = Field(
        default="",
        validate_default=True,
        pattern=r"^(https?://[^/\s?#\"'<>\\]+/?)?$",
        description="scheme, host and port of absolute links; empty: those of each request",
    )
    default_institution: str = Field(
        default="PKS",
        pattern=r"^[A-Z0-9][A-Z0-9_-]{0,31}$",
        description="when there are several institutions: the one whose name pages show and that owns new sources",
    )
    covers: Path | None = Field(
        default=None, description="folder of cover images, named by ISBN; empty: all covers are drawn"
    )

    @field_validator("public_url")
    @classmethod
    def _require_outside_development(cls, value: str, info: ValidationInfo) -> str:
        # Caches store responses with absolute links, so the host of one request must not be in links of another reader.
        if not value and info.data.get("environment", "development") != "development":
            raise ValueError("required outside development, for example https://katalog.example.org")
        return value


class DeskSettings(OwnSettings):
    """Settings of `rangkiang desk`: the caller's access token, or the id and secret of a client."""

    rangkiang_token: str = Field(default="", description="access token of the caller", repr=False)
    rangkiang_client_id: str = Field(default="", description="id of a client, from `rangkiang client create`")
    rangkiang_client_secret: str = Field(default="", description="secret of that client", repr=False)


class Z3950Settings(OwnSettings):
    """Settings of `rangkiang z3950`: the client of searches whose own client sends no user and password."""

    z3950_client_id: str = Field(
        default="", description="id of a client, whose plan the Z39.50 server uses for clients without a password"
    )
    z3950_client_secret: str = Field(default="", description="secret of that client", repr=False)
