"""HTTP to identity providers: bounded in time and size, without redirects, encrypted unless on this machine.

It knows nothing of OpenID. Whatever goes wrong between us and the provider is an UnavailableError of one line that
names the issuer and the host; an answer that arrived is the caller's to judge.
"""

import asyncio
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any

import httpx

from bastion.auth.jsontext import parse_object
from bastion.auth.spelling import quoted
from bastion.errors import UnavailableError

TIMEOUT = 10.0  # seconds for one exchange, from the name look-up to the last byte
MAX_ANSWER = 256 * 1024  # bytes
MAX_URL = 2048
_OVERLOADED = 429
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and the body where it was a JSON object."""

    status: int
    body: dict[str, Any] | None


def open_client() -> httpx.AsyncClient:
    """Make the HTTP client for `Issuers`; whoever makes it closes it with `aclose()`.

    Proxies and private CAs come from the environment (HTTPS_PROXY, SSL_CERT_FILE), except for loopback.
    """
    return httpx.AsyncClient(
        timeout=TIMEOUT,
        follow_redirects=False,
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=5),
        headers={"User-Agent": "ssh-bastion", "Accept": "application/json", "Accept-Encoding": "identity"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),  # nothing of one login reaches the next
        mounts={f"all://{host}": None for host in _LOOPBACK},
    )


async def fetch(client: httpx.AsyncClient, issuer: str, request: httpx.Request) -> Answer:
    """Send a request to the issuer of this name and read the answer, or raise UnavailableError."""
    host = quoted(request.url.host)[1:-1]
    try:
        async with asyncio.timeout(TIMEOUT):
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                body = await _read(response)
            finally:
                await response.aclose()
    except (httpx.HTTPError, httpx.StreamError, OSError, ValueError) as error:
        # TimeoutError is an OSError. The library's texts may hold anything the server said: they go to the log, quoted.
        raise UnavailableError(
            f"issuer {issuer} does not answer ({host}); try again later",
            log=f"issuer {issuer}: {request.method} {host}: {type(error).__name__}: {quoted(str(error), 200)}",
        ) from None
    if response.status_code >= httpx.codes.INTERNAL_SERVER_ERROR or response.status_code == _OVERLOADED:
        raise UnavailableError(
            f"issuer {issuer} does not answer ({host} says status {response.status_code}); try again later"
        )
    return Answer(response.status_code, _object(body))


def check_url(url: object, *, loopback: bool) -> str:
    """Return an URL that may be asked, or raise ValueError.

    Only https will do, or http to this very machine where `loopback` says so.
    """
    if not isinstance(url, str) or not is_plain_url(url):
        raise ValueError(f"{quoted(str(url))} is no URL")
    if url.startswith("http://") and not (loopback and is_loopback(url)):
        raise ValueError(f"{quoted(url)} is not encrypted; only https is taken")
    return url


def is_plain_url(url: str) -> bool:
    """Return whether a text is an http or https URL with a host, in visible ASCII and without a user's name in it."""
    if len(url) > MAX_URL or not all("!" <= character <= "~" for character in url):
        return False
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    port = parsed.port if parsed.port is not None else 443
    return parsed.scheme in ("http", "https") and bool(parsed.host) and not parsed.userinfo and 0 < port < 2**16


def is_loopback(url: str) -> bool:
    """Return whether an URL (that `is_plain_url`) points at this machine."""
    host = httpx.URL(url).host
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _read(response: httpx.Response) -> bytes:
    encoding = response.headers.get("content-encoding", "identity")
    if encoding != "identity":  # nothing is ever unpacked: an answer cannot grow
        raise ValueError(f"the answer is packed ({encoding}) although that was not asked for")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise ValueError(f"the answer is longer than {MAX_ANSWER} bytes")
    return bytes(body)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        return parse_object(body)
    except ValueError:
        return None
