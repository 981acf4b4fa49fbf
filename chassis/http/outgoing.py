"""HTTP requests to addresses that other people wrote: partners' webhooks, push services, rented gateways.

Such an address may name this machine, the network of the library or the metadata service of a cloud (server-side
request forgery). So each request resolves its host once, and refuses it unless every address is public or allowed by
OUTGOING_PRIVATE_NETWORKS. It connects to the checked address, so that a later answer of DNS has no effect. Redirects
are not followed, proxies are not used, and time and size are limited.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx

from chassis.addresses import Networks, is_in
from chassis.errors import Invalid, Refused, Unavailable

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
# The system's own limit depends on its name servers and may be a minute.
# A refusal takes as long as the slowest lookup, for all hosts, and comes before the deadline of a call.
RESOLVE_SECONDS = 2.0
MOST_LOOKUPS = 8
MOST_BYTES = 64 * 1024
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_UNICAST = ipaddress.IPv6Network("2000::/3")
# Protocol assignments and the relays of 6to4, which some Python versions count as global.
_SPECIAL = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))

Resolver = Callable[[str, int], Sequence[str]]

_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a server. headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def retry_after_seconds(self) -> int | None:
        """Return the seconds of Retry-After; None without it or with a date (RFC 9110 §10.2.3)."""
        text = self.headers.get("retry-after", "").strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


class NoReply(Unavailable):
    """The request was sent, but no reply came, so the server may have carried it out."""


def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses to which the system resolves a host, also one such as 2130706433 or 0x7f.1.

    raises  Unavailable  HOST_NOT_RESOLVED, also after RESOLVE_SECONDS
    """
    replies: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            entries = []
        finally:
            _lookups.release()
        replies.put(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))

    # A lookup cannot be interrupted and keeps its thread until it ends, so the number of threads is limited. They are
    # not those of concurrent.futures, because a process waits for these at its end.
    until = time.monotonic() + RESOLVE_SECONDS
    if _lookups.acquire(timeout=RESOLVE_SECONDS):
        threading.Thread(target=look_up, name="resolve-host", daemon=True).start()
        try:
            if addresses := replies.get(timeout=max(0.0, until - time.monotonic())):
                return addresses
        except queue.Empty:
            pass
    raise Unavailable("HOST_NOT_RESOLVED", host=host)


def is_public(address: str) -> bool:
    """Return whether an address is on the public Internet; for IPv4 inside IPv6, whether the IPv4 address is."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo and parsed.teredo[1])
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
        if inner:
            return is_public(str(inner))
        if parsed not in _UNICAST:
            return False
    elif any(parsed in network for network in _SPECIAL):
        return False
    return parsed.is_global and not parsed.is_multicast


class OutgoingClient:
    """Sends requests to addresses that other people wrote.

    allowed          networks that are not public, but may be called
    requires_https   refuse http, except to an allowed network
    resolve          (host, port) -> addresses
    verify           trusted authorities; by default those of the system
    """

    def __init__(
        self,
        *,
        allowed: Networks = (),
        requires_https: bool = True,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        most_bytes: int = MOST_BYTES,
        resolve: Resolver = resolve_host,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self.allowed = allowed
        self.requires_https = requires_https
        self.total_seconds = total_seconds
        self.most_bytes = most_bytes
        self.resolve = resolve
        self._timeout = httpx.Timeout(total_seconds, connect=connect_seconds)
        self._tls = verify or _system_authorities()

    def check(self, url: str) -> None:
        """Refuse a URL that `request` would refuse; called when a person saves the URL.

        A host that is unknown and one that is not public get the same refusal after the same time, so that the author
        of the URL cannot find out which names the network of the library has.

        raises  Invalid  OUTGOING_URL_INVALID
                Refused  OUTGOING_ADDRESS_REFUSED, OUTGOING_NEEDS_HTTPS
        """
        parts = _split(url)
        until = time.monotonic() + RESOLVE_SECONDS
        try:
            self._address(parts)
        except (Refused, Unavailable) as problem:
            if problem.reason == "OUTGOING_NEEDS_HTTPS":
                raise
            time.sleep(max(0.0, until - time.monotonic()))
            raise Refused("OUTGOING_ADDRESS_REFUSED", host=parts.hostname) from None

    def request(
        self, method: str, url: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send one request over a new connection. Returns the reply, also that of an error or a redirect.

        raises  the errors of `check`
                Unavailable  HOST_NOT_RESOLVED, OUTGOING_NOT_REACHED: the request was not sent
                NoReply      OUTGOING_WITHOUT_REPLY: it was sent, but the reply is missing, late or not HTTP
                Refused      OUTGOING_REPLY_TOO_LARGE: it was sent, but the reply is too large
        """
        parts = _split(url)
        address = self._address(parts)
        host = parts.hostname or ""
        # The connection goes to the checked address; TLS and the Host header keep the name.
        authority = f"[{address}]" if ":" in address else address
        target = parts._replace(netloc=f"{authority}:{_port(parts)}").geturl()
        sent = httpx.Headers(dict(headers or {}))
        sent["host"] = parts.netloc
        deadline = _Deadline(self.total_seconds)
        request = httpx.Request(
            method,
            target,
            content=content,
            headers=sent,
            extensions={"sni_hostname": host, "trace": deadline.watch, "timeout": self._timeout.as_dict()},
        )
        transport = httpx.HTTPTransport(verify=self._tls, trust_env=False, retries=0)
        with transport, deadline:
            try:
                response = transport.handle_request(request)
                body = self._read(response, host)
            except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
                raise Unavailable("OUTGOING_NOT_REACHED", host=host, why=_why(problem)) from None
            except (httpx.HTTPError, OSError) as problem:
                if not deadline.is_handed_over:
                    raise Unavailable("OUTGOING_NOT_REACHED", host=host, why=_why(problem)) from None
                raise NoReply("OUTGOING_WITHOUT_REPLY", host=host, why=_why(problem)) from None
        return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)

    def _read(self, response: httpx.Response, host: str) -> bytes:
        """Read the body as it was sent. A compressed body is not decompressed, because its size would have no bound."""
        body = bytearray()
        try:
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > self.most_bytes:
                    raise Refused("OUTGOING_REPLY_TOO_LARGE", host=host, most=self.most_bytes)
        finally:
            response.close()
        return bytes(body)

    def _address(self, parts: SplitResult) -> str:
        host = parts.hostname or ""
        addresses = self.resolve(host, _port(parts))
        if not addresses:
            raise Unavailable("HOST_NOT_RESOLVED", host=host)
        is_allowed = all(is_in(address.partition("%")[0], self.allowed) for address in addresses)
        if not is_allowed and not all(
            is_public(address) or is_in(address.partition("%")[0], self.allowed) for address in addresses
        ):
            # Without the addresses, because the error must not describe the network to the author of the URL.
            raise Refused("OUTGOING_ADDRESS_REFUSED", host=host)
        if self.requires_https and parts.scheme != "https" and not is_allowed:
            raise Refused("OUTGOING_NEEDS_HTTPS", host=host)
        return addresses[0]


@cache
def _system_authorities() -> ssl.SSLContext:
    """Return a TLS context with the authorities of the system; reading them takes 20 to 50 ms, so clients share it."""
    return ssl.create_default_context()


class _Deadline:
    """Limits the whole time of a request; httpx limits only each read, and a server could send a byte a second."""

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._socket: Any = None
        self.is_handed_over = False

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Store the connection's socket, and whether the request is being sent; httpx calls this at each step."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = info["return_value"].get_extra_info("socket")
        elif event == "http11.send_request_headers.started":
            self.is_handed_over = True

    def _end(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # The TCP socket, also of TLS, because the shutdown of TLS would wait for the peer.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._timer.cancel()


def _split(url: str) -> SplitResult:
    """Split a URL of http or https with a host and without a user.

    raises  Invalid  OUTGOING_URL_INVALID, without the URL, whose query may hold a secret
    """
    try:
        parts = urlsplit(url)
        # The resolver, TLS and the header would read a host with other characters differently.
        is_plain = url.isascii() and url.isprintable() and " " not in url and "\\" not in url
        is_valid = is_plain and parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        if is_valid and _port(parts) > 0:
            return parts._replace(fragment="")
    except ValueError:
        pass
    raise Invalid("OUTGOING_URL_INVALID")


def _port(parts: SplitResult) -> int:
    return (443 if parts.scheme == "https" else 80) if parts.port is None else parts.port


def _why(problem: Exception) -> str:
    """Return the text of an error without the URL."""
    if isinstance(problem, httpx.TimeoutException):
        return "timeout"
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    return type(problem).__name__
