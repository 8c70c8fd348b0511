"""What a JSON Web Token says, and whether we believe it: everything but its signature. Pure.

`parse_token` takes a token apart, `choose` finds the issuer it belongs to, `check_claims` decides whether it counts
now, and `prove` reads the user out of it. A bearer token may be used any number of times until it expires: whoever
holds it is its user, so keep tokens short-lived and on stdin or in files, never in arguments.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bastion.auth.jsontext import parse_object
from bastion.auth.jwks import ALGORITHMS
from bastion.auth.spelling import check_groups, check_name, check_subject, quoted
from bastion.config.schema import Issuer
from bastion.errors import LoginError
from bastion.model import Identity, Kind, rfc3339

LEEWAY = timedelta(seconds=30)
MAX_TOKEN = 32 * 1024  # characters
_TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})  # no logout or event tokens (RFC 8725)
_SEGMENTS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_LAST_SECOND = 253370764799  # of the year 9998: room for leeways


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart; nothing in it is to be believed before `signed` was checked. `kid` is empty if absent."""

    algorithm: str
    kid: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    def __repr__(self) -> str:
        return "Token(***)"


@dataclass(frozen=True, slots=True)
class Proof:
    """An issuer vouched for this user just now. `expires` is when the token it said so with expires."""

    name: str
    issuer: str
    subject: str
    groups: tuple[str, ...]
    kind: Kind
    expires: datetime


def to_identity(proof: Proof, expires: datetime) -> Identity:
    """Return the identity that a proof is good for until `expires`, without certificate (serial 0)."""
    return Identity(
        name=proof.name,
        issuer=proof.issuer,
        subject=proof.subject,
        groups=proof.groups,
        kind=proof.kind,
        serial=0,
        expires=expires,
    )


def parse_token(text: str) -> Token:
    """Take a compact JWS (RFC 7515, section 7.1) apart, or raise LoginError."""
    text = text.strip()
    if not text:
        raise LoginError("no token was given; pass one, as in: bastion login --token-file FILE")
    if len(text) > MAX_TOKEN:
        raise LoginError(f"the token is longer than {MAX_TOKEN} characters; have the issuer put less into it")
    if not _SEGMENTS.fullmatch(text):
        raise LoginError("that is no signed JSON Web Token; give the ID token or access token of your issuer")
    signed, _, signature = text.rpartition(".")
    header_segment, _, payload_segment = signed.partition(".")
    try:
        header, claims = parse_object(_decode(header_segment)), parse_object(_decode(payload_segment))
        raw_signature = _decode(signature)
    except ValueError as error:
        raise LoginError("the token is damaged; get a new one", log=f"token: {error}") from None
    algorithm, kid, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise LoginError(
            f"the token's algorithm {quoted(str(algorithm))} is not taken; have it signed with RS256 or ES256"
        )
    if "crit" in header or "b64" in header or not isinstance(kid, str):
        raise LoginError("the token's header is not understood; get an ordinary ID token or access token")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise LoginError(f"a token of type {quoted(str(kind))} does not log anyone in; get an ID token or access token")
    return Token(algorithm, kid, claims, signed.encode(), raw_signature)


def choose(issuers: Iterable[Issuer], token: Token) -> Issuer:
    """Return the issuer a token claims to be of, by `iss`; nothing is verified yet. LoginError where there is none.

    Of several with the same URL it is the one whose client the token was made for (`azp` or `client_id`), else the
    first whose audience and username claim the token has.
    """
    url = token.claims.get("iss")
    matching = [issuer for issuer in issuers if issuer.url == url]
    if not matching:
        raise LoginError(f"tokens of the issuer {quoted(str(url))} are not accepted here; get one of an issuer that is")
    client = token.claims.get("azp", token.claims.get("client_id"))
    own = [issuer for issuer in matching if issuer.client_id == client] or matching
    return next((issuer for issuer in own if _fits(issuer, token.claims)), own[0])


def check_claims(issuer: Issuer, claims: dict[str, Any], audience: str, now: datetime) -> datetime:
    """Return when a verified token expires, or raise LoginError where it is not for us or not for now (RFC 8725)."""
    if claims.get("iss") != issuer.url:
        raise LoginError(f"the token is not of issuer {issuer.name}; get one there")
    if audience not in _audiences(claims):
        raise LoginError(
            f"the token of issuer {issuer.name} is meant for {quoted(','.join(_audiences(claims)))}, "
            f"not for {quoted(audience)}; ask the issuer for one with that audience"
        )
    expires, begins, issued = (_time(issuer, claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None:
        raise LoginError(f"the token of issuer {issuer.name} never expires, so it is not accepted; get one that does")
    if now >= expires + LEEWAY:
        raise LoginError(f"the token of issuer {issuer.name} has expired at {rfc3339(expires)}; get a new one")
    for moment in (begins, issued):
        if moment is not None and now + LEEWAY < moment:
            raise LoginError(
                f"the token of issuer {issuer.name} is not valid before {rfc3339(moment)}; check the clocks, or wait"
            )
    if issued is not None and expires <= issued:
        raise LoginError(f"the token of issuer {issuer.name} expires before it was issued; get a new one")
    return expires


def check_id_token(issuer: Issuer, token: Token, access_token: str) -> None:
    """Check what only an ID token sent with an access token has (OpenID Connect Core, 3.1.3), or raise LoginError."""
    party = token.claims.get("azp", issuer.client_id)
    if party != issuer.client_id:
        raise LoginError(f"issuer {issuer.name} sent a token for the client {quoted(str(party))}; log in again")
    half = token.claims.get("at_hash")
    if half is not None and not (isinstance(half, str) and _is_half_hash(half, access_token, token.algorithm)):
        raise LoginError(f"issuer {issuer.name} sent two tokens that don't belong together; log in again")


def prove(issuer: Issuer, claims: dict[str, Any], expires: datetime) -> Proof:
    """Read the user out of verified claims, or raise LoginError naming the claim that won't do."""
    claim = issuer.username_claim
    name, subject = claims.get(claim), claims.get("sub")
    if not isinstance(name, str):
        raise LoginError(
            f"the token of issuer {issuer.name} has no claim {quoted(claim)} to take the user's name from; "
            "have the issuer add it, or set username_claim"
        )
    # Some providers send booleans as text.
    if claim == "email" and claims.get("email_verified") in (False, "false", "False"):
        raise LoginError(f"issuer {issuer.name} has not verified the address {quoted(name)}; confirm it there first")
    if not isinstance(subject, str):
        raise LoginError(f"the token of issuer {issuer.name} has no claim 'sub'; get an ID token or access token")
    try:
        return Proof(
            name=check_name(name),
            issuer=issuer.name,
            subject=check_subject(subject),
            groups=_groups(claims.get(issuer.groups_claim)),
            kind=issuer.kind,
            expires=expires,
        )
    except ValueError as error:
        raise LoginError(f"the token of issuer {issuer.name} cannot be used: {error}") from None


def _groups(value: object) -> tuple[str, ...]:
    """Return the groups of a claim: a list of texts, or one text, which is one group. None and "" are no groups."""
    if value is None or value == "":
        return ()
    groups = value if isinstance(value, list) else [value]
    texts = tuple(group for group in groups if isinstance(group, str))
    if len(texts) != len(groups):
        raise ValueError("its groups are not a list of texts")
    return check_groups(texts)


def _fits(issuer: Issuer, claims: dict[str, Any]) -> bool:
    return issuer.audience in _audiences(claims) and isinstance(claims.get(issuer.username_claim), str)


def _audiences(claims: dict[str, Any]) -> tuple[str, ...]:
    found = claims.get("aud")
    values = found if isinstance(found, list) else [found]
    return tuple(value for value in values if isinstance(value, str))


def _time(issuer: Issuer, claims: dict[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise LoginError(f"the token of issuer {issuer.name} has no proper time in {name!r}; get a new one")
    return datetime.fromtimestamp(value, UTC)


def _is_half_hash(half: str, access_token: str, algorithm: str) -> bool:
    """Compare `at_hash`: the left half of the access token's hash, by the hash the signature uses."""
    size = "512" if algorithm in ("EdDSA", "Ed25519") else algorithm[2:]
    digest = hashlib.new(f"sha{size}", access_token.encode()).digest()
    expected = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    return hmac.compare_digest(expected, half.encode())


def _decode(segment: str) -> bytes:
    data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=") != segment.encode():
        raise binascii.Error("a part is not canonical base64url")
    return data
