"""The device flow (RFC 8628): a person confirms a code in any browser while the terminal waits.

The code belongs to the connection that asked for it; the door shows it there and nowhere else, and gives up the wait
(by cancelling `poll`) when the connection ends. We ask as the issuer's client, so what comes back was made for us; the
ID token is verified all the same. Claims the ID token lacks are asked from the userinfo endpoint.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeGuard

import httpx

from bastion.auth.remote import Remote
from bastion.auth.spelling import quoted
from bastion.auth.tokens import MAX_TOKEN, Proof, check_claims, check_id_token, parse_token, prove
from bastion.auth.web import Answer, is_loopback, is_plain_url
from bastion.config.schema import Secret
from bastion.errors import LoginError, UnavailableError

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL = 5.0  # seconds between two polls; section 3.2
SLOWER = 5.0  # added on slow_down; section 3.5
LONGEST_INTERVAL = 60.0
LONGEST_WAIT = 1800.0  # seconds
MAX_USER_CODE = 64


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A login waiting for its person. `verification_uri_complete` has the code in it and may be empty.

    URLs and code are visible ASCII, fit for a terminal. `interval` is in seconds.
    """

    issuer: str
    verification_uri: str
    verification_uri_complete: str
    user_code: str
    device_code: Secret
    expires_at: datetime
    interval: float


async def start(remote: Remote, now: datetime) -> DeviceLogin:
    """Ask for a code, or raise LoginError or UnavailableError."""
    metadata, name = await remote.metadata(), remote.issuer.name
    if not metadata.device_endpoint or not metadata.token_endpoint:
        raise LoginError(
            f"issuer {name} offers no device login; use another issuer, or: bastion login --token-file FILE"
        )
    answer = await remote.post(metadata.device_endpoint, {"scope": " ".join(metadata.scopes)})
    body = answer.body
    if answer.status != httpx.codes.OK or body is None:
        raise LoginError(f"issuer {name} starts no device login: {_error_code(answer)}", log=_for_log(name, answer))
    uri, complete = body.get("verification_uri"), body.get("verification_uri_complete")
    device_code, user_code, lifetime = body.get("device_code"), body.get("user_code"), body.get("expires_in")
    if not _is_url(uri) or not _is_visible(user_code, MAX_USER_CODE) or not _is_visible(device_code, MAX_TOKEN):
        raise LoginError(f"issuer {name} starts no device login: its answer is not understood")
    if not uri.startswith("https://") and not is_loopback(remote.issuer.url):
        raise LoginError(f"issuer {name} would send you to {quoted(uri)}, which is not encrypted; have it use https")
    interval = body.get("interval")
    return DeviceLogin(
        issuer=name,
        verification_uri=uri,
        verification_uri_complete=complete if _is_url(complete) and complete.startswith(uri[:5]) else "",
        user_code=user_code,
        device_code=Secret(device_code),
        expires_at=now + timedelta(seconds=min(lifetime, LONGEST_WAIT) if _is_positive(lifetime) else LONGEST_WAIT),
        interval=min(float(interval), LONGEST_INTERVAL) if _is_positive(interval) else DEFAULT_INTERVAL,
    )


async def poll(
    remote: Remote, login: DeviceLogin, clock: Callable[[], datetime], sleep: Callable[[float], Awaitable[object]]
) -> Proof:
    """Wait until the person has confirmed and return the proof; LoginError when they denied or did not come.

    A provider that does not answer is asked again, each time after twice the wait (section 3.5), until the code's time
    is over; then UnavailableError is raised.
    """
    token_endpoint = (await remote.metadata()).token_endpoint
    form = {"grant_type": GRANT_TYPE, "device_code": login.device_code.reveal()}
    interval, factor = login.interval, 1
    late: UnavailableError | LoginError = LoginError("nobody confirmed the code in time; start the login again")
    failure = late
    while (left := (login.expires_at - clock()).total_seconds()) > 0:
        await sleep(min(interval * factor, LONGEST_INTERVAL, left))
        try:
            answer = await remote.post(token_endpoint, form)
        except UnavailableError as error:
            failure, factor = error, factor * 2
            continue
        failure, factor = late, 1
        error_code = _error_code(answer)
        if answer.status == httpx.codes.OK and answer.body is not None:
            return await _accept(remote, answer.body, clock())
        if error_code == "slow_down":
            interval = min(interval + SLOWER, LONGEST_INTERVAL)
        elif error_code != "authorization_pending":
            raise _refusal(login.issuer, error_code, answer)
    raise failure


async def _accept(remote: Remote, body: dict[str, Any], now: datetime) -> Proof:
    issuer = remote.issuer
    id_token, access_token = body.get("id_token"), body.get("access_token")
    if not isinstance(id_token, str) or not id_token:
        raise LoginError(f"issuer {issuer.name} sent no ID token; allow the scope openid to {quoted(issuer.client_id)}")
    if not _is_visible(access_token, MAX_TOKEN):
        raise LoginError(f"issuer {issuer.name} sent no proper access token; log in again")
    token = parse_token(id_token)
    await remote.check_signature(token)
    expires = check_claims(issuer, token.claims, issuer.client_id, now)
    check_id_token(issuer, token, access_token)
    claims = token.claims
    if issuer.username_claim not in claims or issuer.groups_claim not in claims:
        claims = {**await remote.userinfo(access_token, claims.get("sub")), **claims}
    return prove(issuer, claims, expires)


def _refusal(name: str, code: str, answer: Answer) -> LoginError:
    texts = {
        "access_denied": "the login was denied in the browser; start it again if that was a mistake",
        "expired_token": "nobody confirmed the code in time; start the login again",
    }
    return LoginError(texts.get(code, f"issuer {name} ended the login: {code}"), log=_for_log(name, answer))


def _error_code(answer: Answer) -> str:
    """Return the error an answer names (RFC 6749, section 5.2), fit to be shown."""
    code = (answer.body or {}).get("error")
    return code if isinstance(code, str) and code.isidentifier() and len(code) <= 64 else f"status {answer.status}"


def _for_log(name: str, answer: Answer) -> str:
    body = answer.body or {}
    told = {key: body[key] for key in ("error", "error_description") if key in body}
    return f"issuer {name}: status {answer.status}: {quoted(str(told), 300)}"


def _is_url(text: object) -> TypeGuard[str]:
    return isinstance(text, str) and is_plain_url(text)


def _is_visible(text: object, limit: int) -> TypeGuard[str]:
    """Return whether this is a text of visible ASCII and spaces, from 1 to `limit` characters."""
    return isinstance(text, str) and 0 < len(text) <= limit and text.isascii() and text.isprintable()


def _is_positive(number: object) -> TypeGuard[float]:
    return isinstance(number, int | float) and not isinstance(number, bool) and number > 0
