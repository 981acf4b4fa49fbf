"""Settings from environment variables, which only this module reads. Each service and the gateway declares its own.

`load()` returns the platform's settings; `settings.of(Model)` returns those of an owner's model.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from chassis.addresses import networks
from chassis.errors import Invalid

# Passwords of development, which are refused in production.
DEFAULT_SECRETS = frozenset(
    {"rangkiang", "rangkiang-development", "guest", "postgres", "password", "changeme", "secret"}
)
# Dots in one line. The time for a dotted key grows with the square of its parts: 20,000 parts take 9 seconds.
MOST_DOTS = 1_000
SERVICE_SCHEMES = frozenset({"inproc", "dns", "ipv4", "unix"})


def _check_url(value: str) -> str:
    if value and not urlsplit(value).scheme:
        raise ValueError("not a URL: it needs a scheme, such as sqlite: or postgresql+psycopg:")
    return value


Url = Annotated[str, AfterValidator(_check_url)]


def _networks(value: str) -> str:
    networks(value)
    return value


NetworkList = Annotated[str, AfterValidator(_networks)]


class OwnSettings(BaseModel):
    """Settings of one owner. Each field is the environment variable with the same name in capitals.

    If two owners declare a variable, its type, default and description are the same in both.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


Owned = TypeVar("Owned", bound=OwnSettings)


class Settings(OwnSettings):
    """The platform's settings. With the defaults it is the embedded edition; URLs make it the cluster edition.

    `<SERVICE>_URL` is the address of a service. Other variables are stored for `of`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    environment: Literal["development", "production"] = Field(
        default="development", description="production refuses passwords of development"
    )
    data: Path = Field(default=Path("var"), description="folder of databases and indexes of the embedded edition")
    database_url: Url = Field(
        default="", description="{service} is replaced by the service's name; sqlite in DATA if empty"
    )
    database_owner_url: Url = Field(
        default="", description="role that owns the tables, for `migrate`; DATABASE_URL if empty"
    )
    bus_url: Url = Field(default="local:", description="local: or amqp://…, which carries events between services")
    host: str = Field(default="127.0.0.1", description="address where HTTP is served")
    port: int = Field(default=8080, ge=0, le=65535, description="port where HTTP is served")
    workers: int = Field(default=1, ge=1, le=64, description="processes of `up`")
    trusted_proxies: NetworkList = Field(
        default="", description="addresses and networks whose X-Forwarded-For is trusted, separated by commas"
    )
    connections_per_address: int = Field(
        default=64, ge=0, description="open connections of one address at most, but for trusted proxies; 0: no limit"
    )
    tls_cert: str = Field(
        default="", description="file of the certificate with which `up` and `gateway` serve HTTPS; HTTP if empty"
    )
    tls_key: str = Field(default="", description="file of that certificate's key")
    grpc_host: str = Field(default="127.0.0.1", description="address where `serve` answers gRPC")
    grpc_port: int = Field(default=50051, ge=0, le=65535, description="port where `serve` answers gRPC")
    grpc_health_port: int = Field(
        default=0, ge=0, le=65535, description="port for health alone, in plaintext, for probes; 0: none"
    )
    grpc_threads: int = Field(default=16, ge=1, le=256, description="calls that a service answers at the same time")
    grpc_cert: str = Field(default="", description="file of the certificate for mutual TLS between processes")
    grpc_key: str = Field(default="", description="file of that certificate's key")
    grpc_ca: str = Field(default="", description="file of the authority that signs both sides' certificates")
    drain_seconds: float = Field(
        default=0,
        ge=0,
        le=300,
        description="seconds that `serve` and `gateway` answer after SIGTERM and report that they are not ready",
    )
    log_format: Literal["text", "json"] = Field(default="text", description="text for a terminal, json for a cluster")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="lowest level that is logged"
    )
    otel_exporter_otlp_endpoint: str = Field(default="", description="where traces are sent; off if empty")
    metrics_port: int = Field(
        default=0, ge=0, le=65535, description="port of /metrics for all processes of this machine; 0: no metrics"
    )
    backup_recipient: str = Field(
        default="", description="public keys of age (age1…) for which backups are encrypted, separated by commas"
    )
    backup_target: str = Field(
        default="", description="folder of another machine, or s3://bucket/folder, to which backups are copied too"
    )
    aws_endpoint_url: Url = Field(default="", description="address of the S3 server; that of Amazon if empty")
    aws_region: str = Field(default="us-east-1", description="region of the S3 server")
    aws_access_key_id: str = Field(default="", repr=False, description="key id for the S3 server")
    aws_secret_access_key: str = Field(default="", repr=False, description="secret of that key")
    metrics_host: str = Field(default="127.0.0.1", description="address of /metrics")
    lang: str = Field(default="", description="the operator's language: Indonesian if it begins with id, else English")
    service_urls: Mapping[str, str] = Field(default_factory=dict)

    @cached_property
    def _database(self) -> str:
        return self.database_url or f"sqlite:///{self.data}/{{service}}.db"

    def database(self, service: str) -> str:
        """Return the URL of a service's database."""
        return self._database.replace("{service}", service)

    def database_owner(self, service: str) -> str:
        """Return the URL of a service's database for `migrate`."""
        return (self.database_owner_url or self._database).replace("{service}", service)

    @property
    def language(self) -> str:
        """Return the operator's language: "id" if LANG begins with it, else "en"."""
        return "id" if self.lang.startswith(("id", "in_")) else "en"

    def service_url(self, service: str) -> str:
        """Return the URL of a service: `<SERVICE>_URL`, by default that of a call inside this process."""
        return self.service_urls.get(service, f"inproc:{service}")

    def of(self, model: type[Owned]) -> Owned:
        """Return the settings of an owner's model, from the same environment.

        raises  Invalid  SETTING_INVALID, DEFAULT_SECRET
        """
        values = {**vars(self), **(self.model_extra or {})}
        settings = _validate(model, {name: values[name] for name in model.model_fields if name in values})
        if self.environment != "development":
            _refuse_default_secrets(settings)
        return settings

    def __repr_args__(self) -> list[tuple[str, Any]]:
        # Not printed, because the other variables may be secrets.
        return [(name, value) for name, value in super().__repr_args__() if name in type(self).model_fields]


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the platform's settings.

    environ  by default the environment of the process
    raises   Invalid  SETTING_INVALID, with the variable and the problem
                      DEFAULT_SECRET  a password of development is used in production
    """
    source = os.environ if environ is None else environ
    # An empty variable counts as unset: compose files and ConfigMaps write `PORT=`.
    values: dict[str, Any] = {name.lower(): value for name, value in source.items() if name.isupper() and value}
    values["service_urls"] = {
        name.removesuffix("_url"): value
        for name, value in values.items()
        if name.endswith("_url") and name not in Settings.model_fields and _scheme(value) in SERVICE_SCHEMES
    }
    settings = _validate(Settings, values)
    if settings.environment != "development":
        _refuse_default_secrets(settings)
    return settings


def _scheme(value: str) -> str:
    """Return the scheme of a URL. Accepts any text, because the variable may belong to another program."""
    return value.partition(":")[0].lower()


def _validate(model: type[Owned], values: Mapping[str, Any]) -> Owned:
    try:
        return model.model_validate(values)
    except ValidationError as problem:
        first = problem.errors()[0]
        # The error does not repeat the value, which may be a secret.
        raise Invalid("SETTING_INVALID", variable=str(first["loc"][0]).upper(), why=first["msg"]) from None


def _refuse_default_secrets(settings: OwnSettings) -> None:
    for name in type(settings).model_fields:
        if name.endswith("_url") and urlsplit(getattr(settings, name)).password in DEFAULT_SECRETS:
            raise Invalid("DEFAULT_SECRET", variable=name.upper())


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting, for operators.

    owners   those of "chassis", the services and "gateway" that declare it
    default  the default as text of an environment variable
    """

    name: str
    owners: tuple[str, ...]
    default: str
    description: str


def variables(models: Mapping[str, type[OwnSettings]], services: Iterable[str]) -> list[Variable]:
    """List every setting: the platform's, those of these owners, and the address of each service."""
    declared: dict[str, Variable] = {}
    models_by_owner: dict[str, type[OwnSettings]] = {"chassis": Settings, **models}
    for owner, model in models_by_owner.items():
        for name, field in model.model_fields.items():
            owners = declared[name].owners if name in declared else ()
            # An owner's model repeats a field of the platform if one of its defaults depends on that field.
            if name != "service_urls" and "chassis" not in owners:
                default = "" if field.default is None else str(field.default)
                declared[name] = Variable(name.upper(), (*owners, owner), default, field.description or "")
    for service in services:
        name = f"{service.upper()}_URL"
        declared[name] = Variable(name, ("chassis",), f"inproc:{service}", f"address of the service {service}")
    return list(declared.values())


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A variable of the environment that is not a setting, but has nearly the name of one.

    is_ignored  the intended setting is not set, so a process would use its default
    """

    name: str
    meant: str
    is_ignored: bool


# Variables that Kubernetes sets in every container for each Service: CATALOG_PORT, CATALOG_SERVICE_HOST …
_SERVICE_LINK = re.compile(r"\w+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
# Shorter names without an underscore (HOST, DATA) are too similar to ordinary names.
_LEAST_DISTINCT_CHARACTERS = 7


def find_misspelt(names: Iterable[str], environ: Mapping[str, str] | None = None) -> list[Misspelt]:
    """Find variables of the environment that look like typing errors of these names.

    names    names of all settings, in capitals
    environ  by default the environment of the process
    """
    source = os.environ if environ is None else environ
    known_names = set(names)
    distinct = sorted(name for name in known_names if "_" in name or len(name) >= _LEAST_DISTINCT_CHARACTERS)
    variables = []
    for name in sorted(source):
        if name in known_names or not name.isupper() or not source[name] or _SERVICE_LINK.fullmatch(name):
            continue
        # BUS_URI means BUS_URL; DATABASE_USER does not mean DATABASE_URL.
        close = difflib.get_close_matches(name, distinct, n=1, cutoff=0.85 if len(name) < 8 else 0.9)
        variables += [Misspelt(name, meant, is_ignored="_" in meant and not source.get(meant)) for meant in close]
    return variables


def load_for(models: Mapping[str, type[OwnSettings]], names: Iterable[str], environ: Mapping[str, str]) -> Settings:
    """Do the same as `load`, also check the settings of these owners, and refuse misspelt variables.

    names   names of all settings, in capitals
    raises  Invalid  SETTING_INVALID, DEFAULT_SECRET
                     SETTING_UNKNOWN  a variable has nearly the name of a setting that is not set
    """
    settings = load(environ)
    for model in models.values():
        settings.of(model)
    for variable in find_misspelt(names, environ):
        if variable.is_ignored:
            raise Invalid("SETTING_UNKNOWN", variable=variable.name, meant=variable.meant)
    return settings


def environment_with(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes, for a child process."""
    return {**os.environ, **changes}


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML. Raises TOMLDecodeError, also for values and keys that are nested too deeply."""
    if any(line.count(".") > MOST_DOTS for line in text.split("\n")):
        raise tomllib.TOMLDecodeError(f"a line has more than {MOST_DOTS} dots")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("values are nested too deeply") from None
