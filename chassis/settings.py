"""One frozen Settings, read from the environment: the only place that looks there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chassis.errors import Invalid

# Passwords that development URLs carry; good for a loopback, refused outside development.
DEFAULT_SECRETS = frozenset(
    {"rangkiang", "rangkiang-development", "guest", "postgres", "password", "changeme", "secret"}
)


class Settings(BaseModel):
    """What an operator may set, each by the environment variable of the same name in capitals.

    Defaults make the embedded edition; URLs make the cluster. `<SERVICE>_URL` says where a service is reached.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    environment: Literal["development", "production"] = "development"
    data: Path = Path("var")
    database_url: str = ""
    database_owner_url: str = ""
    bus_url: str = "local:"
    search_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    # Addresses and networks whose X-Forwarded-For is believed, with commas between.
    trusted_proxies: str = ""
    # Requests a minute that one address may make of one process; 0 for no limit.
    rate_limit: int = Field(default=3_000, ge=0, le=1_000_000)
    # Whether searches are kept, without persons, and for how many days.
    query_log: Literal["on", "off"] = "on"
    query_log_days: int = Field(default=90, ge=1, le=3_650)
    # What readers type: the scheme, host and port of links that must be whole. Empty: as each request names us.
    public_url: str = Field(default="", pattern=r"^(https?://[^/\s?#\"'<>\\]+/?)?$")
    # Folder of cover pictures, named by ISBN. Empty: every cover is drawn.
    covers: Path | None = None
    grpc_host: str = "127.0.0.1"
    grpc_port: int = Field(default=50051, ge=0, le=65535)
    # Port where `serve` answers health checks alone, in plaintext, for probes that bring no certificate. 0: none.
    grpc_health_port: int = Field(default=0, ge=0, le=65535)
    grpc_threads: int = Field(default=16, ge=1, le=256)
    grpc_cert: str = ""
    grpc_key: str = ""
    grpc_ca: str = ""
    default_institution: str = Field(default="PKS", pattern=r"^[A-Z0-9][A-Z0-9_-]{0,31}$")
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otel_exporter_otlp_endpoint: str = ""
    lang: str = ""
    service_urls: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("database_url", "database_owner_url", "bus_url", "search_url")
    @classmethod
    def _is_url(cls, value: str) -> str:
        if value and not urlsplit(value).scheme:
            raise ValueError("not a URL: it needs a scheme, such as sqlite: or postgresql+psycopg:")
        return value

    @cached_property
    def _database(self) -> str:
        return self.database_url or f"sqlite:///{self.data}/{{service}}.db"

    def database(self, service: str) -> str:
        """URL of this service's own database."""
        return self._database.replace("{service}", service)

    def database_owner(self, service: str) -> str:
        """URL by which `migrate` reaches this service's database."""
        return (self.database_owner_url or self._database).replace("{service}", service)

    @property
    def search(self) -> str:
        return self.search_url or f"tantivy:///{self.data}/index"

    @property
    def language(self) -> str:
        """The operator's: "id" when LANG says so, else "en"."""
        return "id" if self.lang.startswith(("id", "in_")) else "en"

    def service_url(self, service: str) -> str:
        """Where to reach a service: `<SERVICE>_URL`, or in this very process."""
        return self.service_urls.get(service, f"inproc:{service}")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings.

    environ  defaults to the process's own
    raises   Invalid  SETTING_INVALID names the variable and what is wrong with it;
                      DEFAULT_SECRET when a development password is used outside development
    """
    source = os.environ if environ is None else environ
    own = set(Settings.model_fields) - {"service_urls"}
    # An empty variable is an unset one: compose files and ConfigMaps write `PORT=`.
    given = {name.lower(): value for name, value in source.items() if name.lower() in own and name.isupper() and value}
    services = {
        name[:-4].lower(): value
        for name, value in source.items()
        if name.endswith("_URL")
        and name.lower() not in own
        and value.split(":", 1)[0] in {"inproc", "dns", "ipv4", "unix"}
    }
    try:
        settings = Settings.model_validate({**given, "service_urls": services})
    except ValidationError as problem:
        first = problem.errors()[0]
        variable = str(first["loc"][0]).upper()
        # The value itself may be a secret: it is never repeated.
        raise Invalid("SETTING_INVALID", variable=variable, why=first["msg"]) from None
    if settings.environment != "development":
        _refuse_default_secrets(settings)
    return settings


def _refuse_default_secrets(settings: Settings) -> None:
    for name in ("database_url", "database_owner_url", "bus_url", "search_url"):
        if urlsplit(getattr(settings, name)).password in DEFAULT_SECRETS:
            raise Invalid("DEFAULT_SECRET", variable=name.upper())


def environment_with(**changes: str) -> dict[str, str]:
    """This process's environment with changes, for a child process."""
    return {**os.environ, **changes}
