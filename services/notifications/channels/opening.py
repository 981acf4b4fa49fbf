"""Opens the channels of the setting CHANNELS from their URLs."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from chassis.addresses import Networks, networks
from chassis.errors import Invalid
from chassis.settings import Settings
from chassis.urls import known_scheme, resolve
from services.notifications.channels.gateway_spec import read_spec
from services.notifications.channels.limits import LimitedChannel
from services.notifications.channels.port import Channel, ChannelUrl
from services.notifications.settings import NotificationsSettings

ADAPTERS = {
    "smtp": "services.notifications.channels.smtp:open_smtp",
    "whatsapp": "services.notifications.channels.whatsapp:open_whatsapp",
    "http+form": "services.notifications.channels.gateway:open_gateway",
    "http+json": "services.notifications.channels.gateway:open_gateway",
    "webpush": "services.notifications.channels.webpush:open_webpush",
    "console": "services.notifications.channels.local:open_console",
    "print": "services.notifications.channels.local:open_print",
}
# Between two URLs are blanks or a comma, then a scheme. A comma without a scheme may be part of a URL.
_BETWEEN = re.compile(r"\s*[\s,]\s*(?=[a-z][a-z0-9+]*:)")
_FILE_OPTIONS = ("authority", "token-file", "secret-file", "verify-token-file")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,15}")


def open_channels(urls: str, *, allowed_networks: Networks = (), push_networks: Networks = ()) -> tuple[Channel, ...]:
    """Open the channels of the setting CHANNELS, in order of fallback, each with its rate and its circuit.

    urls              URLs separated by blanks or commas
    allowed_networks  private networks on which gateways may be called
    push_networks     private networks on which push services may be called; members' browsers send these addresses
    raises            Invalid  CHANNELS_EMPTY, CHANNEL_URL_INVALID, CHANNEL_NAME_TAKEN, CHANNEL_OPTION_…, URL_SCHEME_…
                               and errors of the adapters; no error contains a part of a URL that may be a secret
    """
    channels: list[Channel] = []
    numbers: set[str] = set()
    for url in parse_channels(urls):
        scheme = url.scheme
        if any(channel.name == url.name for channel in channels):
            raise Invalid("CHANNEL_NAME_TAKEN", channel=url.name)
        if scheme == "whatsapp":
            if url.host in numbers:
                raise Invalid("CHANNEL_NUMBER_TAKEN", channel=url.name, number=url.host)
            numbers.add(url.host)
        allowed = push_networks if scheme == "webpush" else allowed_networks
        channel: Channel = resolve(ADAPTERS[scheme])(url, allowed_networks=allowed)
        channels.append(LimitedChannel(channel, rate=url.rate, burst=url.burst))
    if not channels:
        raise Invalid("CHANNELS_EMPTY", known=sorted(ADAPTERS))
    return tuple(channels)


def open_own_channels(own: NotificationsSettings) -> tuple[Channel, ...]:
    """Open the channels of the settings, as `open_channels` does."""
    return open_channels(
        own.channels,
        allowed_networks=networks(own.outgoing_private_networks),
        push_networks=networks(own.push_private_networks),
    )


def parse_channels(urls: str) -> list[ChannelUrl]:
    """Return the parts of the URLs of CHANNELS, without opening the channels. Raises Invalid like `open_channels`."""
    texts = filter(None, _BETWEEN.split(urls.strip()))
    return [_parse(text, known_scheme(text, ADAPTERS), number) for number, text in enumerate(texts, 1)]


def push_application_key(urls: str) -> str:
    """Return the key with which browsers subscribe to the first web push channel; "" without such a channel."""
    from services.notifications.channels.webpush import public_key

    keys = [url.take("keys") for url in parse_channels(urls) if url.scheme == "webpush"]
    return public_key(Path(keys[0])) if keys else ""


def setting_files(settings: Settings) -> list[Path]:
    """Return the files that CHANNELS and the settings of WhatsApp name, push keys too, for `backup --settings`."""
    from services.notifications.channels.webpush import PRIVATE_KEY, PUBLIC_KEY

    own = settings.of(NotificationsSettings)
    files = [own.whatsapp_app_secret_file, own.whatsapp_verify_token_file]
    for url in parse_channels(own.channels):
        files += [Path(url.options[option]) for option in _FILE_OPTIONS if url.options.get(option)]
        if url.scheme == "webpush" and (folder := url.take("keys")):
            files += [Path(folder) / PRIVATE_KEY, Path(folder) / PUBLIC_KEY]
        if url.scheme.startswith("http+"):
            description = Path(url.path)
            files.append(description)
            with suppress(OSError, ValueError):
                files += [description.parent / secret for secret in read_spec(description).secrets.values()]
    return [file for file in files if file]


def _parse(text: str, scheme: str, number: int) -> ChannelUrl:
    try:
        parts = urlsplit(text)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        port = parts.port
    except ValueError:
        raise Invalid("CHANNEL_URL_INVALID", scheme=scheme, number=number) from None
    options = dict(pairs)
    authority = parts.netloc.rpartition("@")[2]
    is_cut = "@" in parts.path or "@" in parts.netloc.rpartition("@")[0]
    if len(options) < len(pairs) or parts.fragment or is_cut or (authority and not parts.hostname):
        raise Invalid("CHANNEL_URL_INVALID", scheme=scheme, number=number)
    # The number of one institution; other channels do not know this option.
    institution = options.pop("institution", "") if scheme == "whatsapp" else ""
    name = options.pop("name", f"wa-{institution.lower()}" if institution else scheme.replace("+", "-"))
    if not _NAME.fullmatch(name):
        raise Invalid("CHANNEL_OPTION_INVALID", channel=scheme, option="name", why="a–z, 0–9, -; 1 … 16")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    rate, burst = options.pop("rate", ""), options.pop("burst", "")
    return ChannelUrl(
        scheme, name, user, password, parts.hostname or "", port, unquote(parts.path), options,
        _rate(rate, name) if rate else None, int(_rate(burst, name)) if burst else None, institution,
    )  # fmt: skip


def _rate(text: str, name: str) -> float:
    """Read `20`, `20/s`, `600/m` or `5000/h`, and return messages a second."""
    number, _, unit = text.partition("/")
    try:
        rate = float(number) / {"": 1, "s": 1, "m": 60, "h": 3600}[unit]
    except (ValueError, KeyError):
        rate = 0
    if not 0 < rate <= 100_000:
        raise Invalid("CHANNEL_OPTION_INVALID", channel=name, option="rate, burst", why="20, 20/s, 600/m, 5000/h")
    return rate
