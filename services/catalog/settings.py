"""The catalogue's settings for operators."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from chassis.settings import NetworkList, OwnSettings, Url


class CatalogSettings(OwnSettings):
    """The catalogue's settings, and DATA of the platform, because the default of SEARCH_URL depends on it."""

    data: Path = Path("var")
    search_url: Url = Field(
        default="",
        description="tantivy:///FOLDER or http(s)://HOST:PORT,HOST:PORT/NAME, the nodes of one Elasticsearch cluster; "
        "tantivy in DATA if empty",
    )
    query_log: Literal["on", "off"] = Field(default="on", description="log searches, without personal data")
    query_log_days: int = Field(default=90, ge=1, le=3_650, description="days for which searches are kept")
    sandbox: Literal["on", "off"] = Field(
        default="off", description="programs may make sandboxes: institutions with sample data, deleted each night"
    )
    vocabulary: Path | None = Field(
        default=None, description="file of light words, shortened words and words that stand for each other"
    )
    outside_sources: str = Field(
        default="",
        description="sources that are asked for an ISBN, separated by commas, such as loc,dnb,k10plus; empty: none",
    )
    outside_sources_file: Path | None = Field(
        default=None, description="file of the library's own such sources (TOML, docs/operations.md); all are asked"
    )
    outgoing_private_networks: NetworkList = Field(
        default="",
        description=(
            "private addresses and networks on which gateways, partners' webhooks and outside sources may be called, "
            "separated by commas; without them only public addresses are called"
        ),
    )
    default_institution: str = Field(
        default="PKS",
        pattern=r"^[A-Z0-9][A-Z0-9_-]{0,31}$",
        description="institution whose name pages show and to which a new source belongs, when there are several",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/\s?#\"'<>\\]+/?)?$",
        description="scheme, host and port of absolute links; if empty, those of each request",
    )

    @property
    def search(self) -> str:
        """Return the URL of the search engine."""
        return self.search_url or f"tantivy:///{self.data}/index"
