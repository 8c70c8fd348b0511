"""A provider that says whatever a test wants, over real HTTP, and a clock that only moves when told to."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qs

from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from bastion.auth.jwks import ALGORITHMS
from bastion.config.schema import Issuer, Secret
from bastion.model import Kind
from tests.bastion.auth.kit import NOW

EVERY_ALGORITHM = [*ALGORITHMS, "HS256", "HS384", "HS512", "ES256K"]
RSA = RSAKey.generate_key(2048, {"kid": "r1", "use": "sig"})
RSA_2 = RSAKey.generate_key(2048, {"kid": "r2"})
P256 = ECKey.generate_key("P-256", {"kid": "e1"})
P384 = ECKey.generate_key("P-384", {"kid": "e2"})
ED = OKPKey.generate_key("Ed25519", {"kid": "o1"})
OCT = OctKey.generate_key(256, {"kid": "h1"})
JSON = "application/json"


@dataclass
class Time:
    """A clock, and a sleep that moves it; `slept` lists how long each time."""

    now: datetime = NOW
    slept: list[float] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Request:
    """What the provider was asked."""

    method: str
    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass(frozen=True)
class Raw:
    """An answer spelt out; `endless` goes on sending the body for ever."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False


class FakeIssuer:
    """A provider on a free port; use it as an async context manager.

    `answers` maps a path to what it answers (a dict is sent as JSON), or to a list of such answers, one per request,
    the last one for ever; None in it hangs up.
    """

    def __init__(self) -> None:
        self.keys: list[Key] = [RSA]
        self.answers: dict[str, Any] = {}
        self.requests: list[Request] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self.document: dict[str, Any] = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
            "userinfo_endpoint": f"{self.url}/userinfo",
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def issuer(self, name: str = "corp", **changes: Any) -> Issuer:
        """Return the configuration of this issuer."""
        secret = changes.pop("client_secret", None)
        values: dict[str, Any] = {"url": self.url, "client_id": "cli", "audience": "bastion", "kind": Kind.HUMAN}
        return Issuer(name=name, client_secret=Secret(secret) if secret else None, **{**values, **changes})

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return alice's claims, good for five minutes; None leaves a claim out."""
        now = int(NOW.timestamp())
        claims = {
            "iss": self.url,
            "sub": "s-1",
            "aud": "bastion",
            "iat": now,
            "exp": now + 300,
            "email": "alice@example.org",
            "groups": ["eng"],
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def token(
        self, key: Key = RSA, algorithm: str = "RS256", header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        """Sign claims as this issuer."""
        protected = {"alg": algorithm, "kid": key.kid, "typ": "JWT", **(header or {})}
        return sign(
            {name: value for name, value in protected.items() if value is not None}, self.claims(**changes), key
        )

    def count(self, path: str) -> int:
        """Return how often a path was asked for."""
        return sum(request.path == path for request in self.requests)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read(reader)
            self.requests.append(request)
            answer = self._answer(request.path)
            if answer is not None:
                await _write(writer, answer)
        except ConnectionError:
            pass  # the client had enough, which is what the test is about
        finally:
            writer.close()

    def _answer(self, path: str) -> Raw | None:
        known = {
            "/.well-known/openid-configuration": self.document,
            "/jwks": {"keys": [key.as_dict(private=False) for key in self.keys]},
            **self.answers,
        }
        found = known.get(path, Raw(404, b"nothing here"))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return Raw(body=json.dumps(found).encode()) if isinstance(found, dict) else found


def sign(header: dict[str, Any], claims: dict[str, Any] | bytes, key: Key) -> str:
    """Sign anything with any algorithm, in a way that only a test would."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    registry = jws.JWSRegistry(algorithms=EVERY_ALGORITHM, strict_check_header=False)
    return jws.serialize_compact(header, payload, key, registry=registry)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split()
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
    return Request(method, path, headers, {name: values[0] for name, values in parse_qs(body).items()})


async def _write(writer: asyncio.StreamWriter, answer: Raw) -> None:
    headers = {"Connection": "close", "Content-Type": JSON, **answer.headers}
    if not answer.endless:
        headers.setdefault("Content-Length", str(len(answer.body)))
    lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode() + answer.body)
    await writer.drain()
    while answer.endless:
        writer.write(answer.body)
        await writer.drain()
