"""All issuers of bastion.toml: turns a token, or a login in a browser, into a proof of who somebody is.

The one entrance to OpenID Connect; make a new `Issuers` when the configuration is reloaded. It grants nothing and
issues nothing: see `tokens.to_identity` and `authority.UserAuthority`. Failing is a LoginError (the proof is no good)
or an UnavailableError (the provider can't be asked now), each of one line.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import httpx

from bastion.auth import device
from bastion.auth.device import DeviceLogin
from bastion.auth.remote import Remote
from bastion.auth.spelling import quoted
from bastion.auth.tokens import Proof, check_claims, choose, parse_token, prove
from bastion.config.schema import Issuer
from bastion.errors import NotFoundError
from bastion.model import utcnow


class Issuers:
    """The issuers by name, each with what is known of its provider.

    `client` is best made by `web.open_client`, and closed by whoever made it. `clock` and `sleep` are for tests.
    """

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        client: httpx.AsyncClient,
        clock: Callable[[], datetime] = utcnow,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._remotes = {name: Remote(issuer, client, clock) for name, issuer in issuers.items()}
        self._clock = clock
        self._sleep = sleep

    async def verify_token(self, token: str, now: datetime) -> Proof:
        """Return who an ID token or access token (a JWT) speaks for, or raise LoginError or UnavailableError.

        The token's audience must hold the issuer's `audience`. The same token may be used again until it expires. An
        access token without the username claim is shown to its own issuer's userinfo endpoint to learn it.
        """
        parsed = parse_token(token)
        issuer = choose([remote.issuer for remote in self._remotes.values()], parsed)
        # Signature first: what an unsigned token claims is nobody's business to confirm.
        remote, claims = self._remotes[issuer.name], parsed.claims
        await remote.check_signature(parsed)
        expires = check_claims(issuer, claims, issuer.audience, now)
        if issuer.username_claim not in claims:
            claims = {**await remote.userinfo(token.strip(), claims.get("sub")), **claims}
        return prove(issuer, claims, expires)

    async def start_device(self, issuer_name: str) -> DeviceLogin:
        """Start a login in a browser; show its URL and code, then `poll` it."""
        return await device.start(self._remote(issuer_name), self._clock())

    async def poll(self, login: DeviceLogin) -> Proof:
        """Wait until a device login is confirmed; cancelling gives it up. See `device.poll`."""
        return await device.poll(self._remote(login.issuer), login, self._clock, self._sleep)

    def _remote(self, name: str) -> Remote:
        if name not in self._remotes:
            raise NotFoundError(f"there is no issuer {quoted(name)}")
        return self._remotes[name]
