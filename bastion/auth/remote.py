"""One identity provider as seen over the network: its metadata and keys, kept for a while, and the questions put to it.

It does not decide who anybody is: `tokens` does. A signature is checked with the keys the provider publishes now; a
token signed with a key not seen yet has them fetched again, but not more often than every few seconds.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote_plus

import httpx

from bastion.auth.cache import Cached
from bastion.auth.discovery import Metadata, discovery_url, parse_metadata
from bastion.auth.jwks import VerificationKey, candidates, is_signed, parse_keys
from bastion.auth.spelling import quoted
from bastion.auth.tokens import Token
from bastion.auth.web import Answer, fetch
from bastion.config.schema import Issuer
from bastion.errors import LoginError, UnavailableError

T = TypeVar("T")
_METADATA_FRESH, _METADATA_USABLE = timedelta(hours=1), timedelta(hours=24)
_KEYS_FRESH, _KEYS_USABLE = timedelta(minutes=10), timedelta(hours=1)  # a withdrawn key is believed no longer than that


class Remote:
    """The provider of one issuer."""

    def __init__(self, issuer: Issuer, client: httpx.AsyncClient, clock: Callable[[], datetime]) -> None:
        self.issuer = issuer
        self._client = client
        self._metadata = Cached(self._load_metadata, clock, _METADATA_FRESH, _METADATA_USABLE)
        self._keys = Cached(self._load_keys, clock, _KEYS_FRESH, _KEYS_USABLE)

    async def metadata(self) -> Metadata:
        """Return what the provider says about itself, or raise UnavailableError."""
        return await self._metadata.get()

    async def check_signature(self, token: Token) -> None:
        """Return if the provider signed this token; else raise LoginError, or UnavailableError if it can't be asked."""
        keys = await self._keys.get()
        if self._verifies(token, keys):
            return
        named = [key for key in candidates(keys, token.algorithm, token.kid) if token.kid and key.kid == token.kid]
        # With the named key at hand the signature is wrong. Otherwise the provider may have changed its keys since.
        if not named and self._verifies(token, await self._keys.renew(keys)):
            return
        raise LoginError(
            f"the token's signature is not of issuer {self.issuer.name}; get a new one there",
            log=f"issuer {self.issuer.name}: no valid signature, alg {token.algorithm}, kid {quoted(token.kid)}",
        )

    async def post(self, url: str, form: Mapping[str, str]) -> Answer:
        """Send a form as the issuer's client, with the client's secret where it has one (RFC 6749, section 2.3.1)."""
        secret, client_id = self.issuer.client_secret, self.issuer.client_id
        headers: dict[str, str] = {}
        sent = {**form, "client_id": client_id}
        if secret is not None and (await self.metadata()).secret_in_form:
            sent["client_secret"] = secret.reveal()
        elif secret is not None:
            pair = f"{quote_plus(client_id)}:{quote_plus(secret.reveal())}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
            del sent["client_id"]  # one way of naming the client per request
        return await self._send(self._client.build_request("POST", url, data=sent, headers=headers))

    async def userinfo(self, access_token: str, subject: object) -> dict[str, Any]:
        """Return more claims of the user `subject` of a verified token (OpenID Connect Core, section 5.3).

        Nothing where the provider has no such endpoint; LoginError where it refuses the token.
        """
        endpoint = (await self.metadata()).userinfo_endpoint
        if not endpoint:
            return {}
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = await self._send(self._client.build_request("GET", endpoint, headers=headers))
        if answer.status != httpx.codes.OK or answer.body is None:
            raise LoginError(
                f"the token lacks claims and issuer {self.issuer.name} does not add them (userinfo: status "
                f"{answer.status}); have the issuer put the user's name and groups into its tokens"
            )
        # Section 5.3.2: without this a token could be swapped for another user's.
        if not isinstance(subject, str) or answer.body.get("sub") != subject:
            raise LoginError(f"issuer {self.issuer.name} sent the claims of somebody else; log in again")
        return answer.body

    async def _send(self, request: httpx.Request) -> Answer:
        return await fetch(self._client, self.issuer.name, request)

    async def _load_metadata(self) -> Metadata:
        try:
            url = discovery_url(self.issuer)
        except ValueError as error:
            raise self._misconfigured(error) from None
        return await self._document(url, lambda body: parse_metadata(self.issuer, body))

    async def _load_keys(self) -> tuple[VerificationKey, ...]:
        return await self._document((await self.metadata()).jwks_uri, parse_keys)

    async def _document(self, url: str, parse: Callable[[dict[str, Any]], T]) -> T:
        answer = await self._send(self._client.build_request("GET", url))
        if answer.status != httpx.codes.OK or answer.body is None:
            raise self._misconfigured(f"{quoted(url)} answers with status {answer.status} and no document")
        try:
            return parse(answer.body)
        except ValueError as error:
            raise self._misconfigured(error) from None

    def _misconfigured(self, reason: object) -> UnavailableError:
        return UnavailableError(f"issuer {self.issuer.name} is not set up properly: {reason}")

    @staticmethod
    def _verifies(token: Token, keys: tuple[VerificationKey, ...]) -> bool:
        fitting = candidates(keys, token.algorithm, token.kid)
        return is_signed(token.signed, token.signature, token.algorithm, fitting)
