"""The device flow with a provider that answers as it should not, and one that takes its time."""

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bastion.auth.device import DeviceLogin
from bastion.auth.oidc import Issuers
from bastion.auth.tokens import Proof
from bastion.auth.web import open_client
from bastion.errors import BastionError, LoginError, NotFoundError, UnavailableError
from tests.bastion.auth.issuer import P384, RSA, RSA_2, FakeIssuer, Raw, Time
from tests.bastion.auth.kit import NOW

CODE = {
    "device_code": "dc",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://idp.example/device",
    "verification_uri_complete": "https://idp.example/device?user_code=ABCD-EFGH",
    "expires_in": 120,
    "interval": 2,
}


def error(code: str, status: int = 400) -> Raw:
    return Raw(status, f'{{"error":"{code}","error_description":"\\u001b[2J"}}'.encode())


PENDING = error("authorization_pending")


@pytest.fixture
async def idp() -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer() as provider:
        provider.keys = [RSA, P384]
        provider.answers["/device"] = CODE
        yield provider


class Desk:
    """Issuers with one issuer, and the time."""

    def __init__(self, issuers: Issuers, time: Time) -> None:
        self.issuers = issuers
        self.time = time

    async def start(self) -> DeviceLogin:
        return await self.issuers.start_device("corp")

    async def login(self) -> Proof:
        return await self.issuers.poll(await self.start())


class Opened:
    """A desk for a `with` block."""

    def __init__(self, idp: FakeIssuer, **issuer: Any) -> None:
        self._client = open_client()
        time = Time()
        self._desk = Desk(Issuers({"corp": idp.issuer(**issuer)}, self._client, time.clock, time.sleep), time)

    async def __aenter__(self) -> Desk:
        return self._desk

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()


def tokens(idp: FakeIssuer, access_token: str = "at", **changes: Any) -> dict[str, Any]:
    return {"access_token": access_token, "id_token": idp.token(**{"aud": "cli", **changes}), "token_type": "Bearer"}


async def test_a_login(idp: FakeIssuer) -> None:
    idp.answers["/token"] = [PENDING, PENDING, tokens(idp)]
    async with Opened(idp) as desk:
        login = await desk.start()
        assert login.verification_uri == "https://idp.example/device"
        assert login.verification_uri_complete.endswith("ABCD-EFGH")
        assert (login.user_code, login.interval) == ("ABCD-EFGH", 2)
        assert login.expires_at == NOW + timedelta(seconds=120)
        assert "dc" not in repr(login)
        proof = await desk.issuers.poll(login)
    assert (proof.name, proof.groups, proof.issuer) == ("alice@example.org", ("eng",), "corp")
    assert desk.time.slept == [2, 2, 2]
    asked = [(request.path, request.form) for request in idp.requests if request.method == "POST"]
    assert asked[0] == ("/device", {"scope": "openid profile email groups", "client_id": "cli"})
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    assert asked[1:] == [("/token", {"grant_type": grant, "device_code": "dc", "client_id": "cli"})] * 3


@pytest.mark.parametrize(
    ("interval", "answers", "slept"),
    [
        (None, [PENDING], [5.0, 5.0]),
        ("soon", [PENDING], [5.0, 5.0]),
        (-1, [PENDING], [5.0, 5.0]),
        (True, [PENDING], [5.0, 5.0]),
        (1000, [PENDING], [60.0, 60.0]),
        (2, [error("slow_down"), PENDING], [2, 7, 7]),
        (2, [error("slow_down"), error("slow_down"), PENDING], [2, 7, 12, 12]),
        (2, [None, None, PENDING], [2, 4, 8, 2]),  # nothing answered: twice the wait, then as before
        (2, [Raw(503), PENDING], [2, 4, 2]),
        (2, [Raw(429), PENDING], [2, 4, 2]),
    ],
)
async def test_how_often_it_asks(idp: FakeIssuer, interval: object, answers: list[Any], slept: list[float]) -> None:
    idp.answers["/device"] = {**CODE, "expires_in": 10_000, "interval": interval}
    idp.answers["/token"] = [*answers, tokens(idp)]
    async with Opened(idp) as desk:
        assert (await desk.login()).name == "alice@example.org"
    assert desk.time.slept == slept


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error("access_denied"), "the login was denied in the browser; start it again if that was a mistake"),
        (error("expired_token"), "nobody confirmed the code in time; start the login again"),
        (error("invalid_client", 401), "issuer corp ended the login: invalid_client"),
        (error("\\u001b[2Jnew"), "issuer corp ended the login: status 400"),
        (Raw(404, b"<html>"), "issuer corp ended the login: status 404"),
        (Raw(302, headers={"Location": "/elsewhere"}), "issuer corp ended the login: status 302"),
        (Raw(200, b"[]"), "issuer corp ended the login: status 200"),
        (error("authorization_pending", 200), "issuer corp sent no ID token"),
        ({}, "issuer corp sent no ID token; allow the scope openid to 'cli'"),
        ({"id_token": 7, "access_token": "a"}, "sent no ID token"),
    ],
)
async def test_logins_that_end(idp: FakeIssuer, answer: object, expected: str) -> None:
    idp.answers["/token"] = [PENDING, answer]
    async with Opened(idp) as desk:
        with pytest.raises(LoginError) as caught:
            await desk.login()
    assert expected in str(caught.value)
    assert caught.value.log.isprintable()
    assert idp.count("/token") == 2


async def test_nobody_comes(idp: FakeIssuer) -> None:
    idp.answers["/device"] = {**CODE, "expires_in": 11, "interval": 5}
    idp.answers["/token"] = PENDING
    async with Opened(idp) as desk:
        with pytest.raises(LoginError, match="nobody confirmed the code in time; start the login again"):
            await desk.login()
    assert desk.time.slept == [5, 5, 1]


async def test_the_provider_stays_away(idp: FakeIssuer) -> None:
    idp.answers["/token"] = None
    async with Opened(idp) as desk:
        with pytest.raises(UnavailableError, match=r"issuer corp does not answer \(127.0.0.1\); try again later"):
            await desk.login()
    assert desk.time.now == NOW + timedelta(seconds=120)
    assert len(desk.time.slept) < 8


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"device_code": None}, "its answer is not understood"),
        ({"device_code": ""}, "its answer is not understood"),
        ({"device_code": "x" * 40_000}, "its answer is not understood"),
        ({"user_code": None}, "its answer is not understood"),
        ({"user_code": "AB\x1b[2J"}, "its answer is not understood"),
        ({"user_code": "\u202eABCD"}, "its answer is not understood"),
        ({"user_code": "A" * 65}, "its answer is not understood"),
        ({"verification_uri": None}, "its answer is not understood"),
        ({"verification_uri": "javascript:alert(1)"}, "its answer is not understood"),
        ({"verification_uri": "https://idp.example/\x07"}, "its answer is not understood"),
        ({"verification_uri": "https://idp.example/ x"}, "its answer is not understood"),
        ({"verification_uri": "https://user@idp.example/"}, "its answer is not understood"),
        ({"verification_uri": "https://" + "a" * 3000}, "its answer is not understood"),
        ({"error": "x", "device_code": 7}, "its answer is not understood"),
    ],
)
async def test_codes_not_fit_to_be_shown(idp: FakeIssuer, changes: dict[str, Any], expected: str) -> None:
    idp.answers["/device"] = {**CODE, **changes}
    async with Opened(idp) as desk:
        with pytest.raises(LoginError, match=f"issuer corp starts no device login: {expected}"):
            await desk.start()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"verification_uri_complete": None}, ""),
        ({"verification_uri_complete": "javascript:alert(1)"}, ""),
        ({"verification_uri_complete": "http://idp.example/device?x"}, ""),
        ({"verification_uri_complete": "https://idp.example/\x1b[2J"}, ""),
    ],
)
async def test_a_bad_shortcut_is_left_out(idp: FakeIssuer, changes: dict[str, Any], expected: str) -> None:
    idp.answers["/device"] = {**CODE, **changes}
    async with Opened(idp) as desk:
        assert (await desk.start()).verification_uri_complete == expected


@pytest.mark.parametrize("lifetime", [None, "x", -5, 10**9, True])
async def test_codes_live_half_an_hour_at_most(idp: FakeIssuer, lifetime: object) -> None:
    idp.answers["/device"] = {**CODE, "expires_in": lifetime}
    async with Opened(idp) as desk:
        assert (await desk.start()).expires_at == NOW + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error("invalid_client", 401), "issuer corp starts no device login: invalid_client"),
        (error("unauthorized_client"), "issuer corp starts no device login: unauthorized_client"),
        (Raw(404), "issuer corp starts no device login: status 404"),
        (Raw(200, b"hello"), "issuer corp starts no device login: status 200"),
        (Raw(503), "issuer corp does not answer"),
        (None, "issuer corp does not answer"),
    ],
)
async def test_no_code_at_all(idp: FakeIssuer, answer: object, expected: str) -> None:
    idp.answers["/device"] = answer
    async with Opened(idp) as desk:
        with pytest.raises(BastionError, match=expected):
            await desk.start()


@pytest.mark.parametrize("name", ["device_authorization_endpoint", "token_endpoint"])
async def test_a_provider_without_device_flow(idp: FakeIssuer, name: str) -> None:
    del idp.document[name]
    async with Opened(idp) as desk:
        with pytest.raises(
            LoginError, match="issuer corp offers no device login; use another issuer, or: bastion login"
        ):
            await desk.start()


async def test_an_unknown_issuer(idp: FakeIssuer) -> None:
    async with Opened(idp) as desk:
        with pytest.raises(NotFoundError, match="there is no issuer 'nobody'"):
            await desk.issuers.start_device("nobody")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aud": "bastion"}, "is meant for 'bastion', not for 'cli'"),
        ({"azp": "other"}, "sent a token for the client 'other'"),
        ({"exp": int(NOW.timestamp()) - 31}, "has expired"),
        ({"iss": "https://evil.example"}, "the token is not of issuer corp"),
        ({"key": RSA_2}, "signature is not of issuer corp"),
        ({"at_hash": "AAAA"}, "two tokens that don't belong together"),
        ({"at_hash": 7}, "two tokens that don't belong together"),
        ({"at_hash": "é"}, "two tokens that don't belong together"),
    ],
)
async def test_id_tokens_refused(idp: FakeIssuer, changes: dict[str, Any], expected: str) -> None:
    idp.answers["/token"] = tokens(idp, **changes)
    async with Opened(idp) as desk:
        with pytest.raises(LoginError, match=expected):
            await desk.login()


@pytest.mark.parametrize(("key", "algorithm", "digest"), [(RSA, "RS256", "sha256"), (P384, "ES384", "sha384")])
async def test_both_tokens_belong_together(idp: FakeIssuer, key: Any, algorithm: str, digest: str) -> None:
    whole = hashlib.new(digest, b"at").digest()
    half = base64.urlsafe_b64encode(whole[: len(whole) // 2]).decode().rstrip("=")
    idp.answers["/token"] = tokens(idp, key=key, algorithm=algorithm, at_hash=half)
    async with Opened(idp) as desk:
        assert (await desk.login()).name == "alice@example.org"


@pytest.mark.parametrize("access_token", ["", "a\nb", "\u202e", "a" * 40_000, 7])
async def test_access_tokens_that_are_none(idp: FakeIssuer, access_token: Any) -> None:
    idp.answers["/token"] = tokens(idp, access_token, email=None)
    async with Opened(idp) as desk:
        with pytest.raises(LoginError, match="sent no proper access token"):
            await desk.login()
    assert idp.count("/userinfo") == 0


@pytest.mark.parametrize("missing", [{"email": None}, {"groups": None}, {"email": None, "groups": None}])
async def test_missing_claims_come_from_userinfo(idp: FakeIssuer, missing: dict[str, Any]) -> None:
    idp.answers["/userinfo"] = {"sub": "s-1", "email": "alice@example.org", "groups": ["eng"]}
    idp.answers["/token"] = tokens(idp, **missing)
    async with Opened(idp) as desk:
        proof = await desk.login()
    assert (proof.name, proof.groups) == ("alice@example.org", ("eng",))
    assert idp.requests[-1].headers["authorization"] == "Bearer at"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"sub": "s-2", "groups": ["sre"]}, "claims of somebody else"),
        (Raw(401), "does not add them \\(userinfo: status 401\\)"),
        (Raw(200, b"eyJ.eyJ.x"), "does not add them \\(userinfo: status 200\\)"),
    ],
)
async def test_userinfo_refused(idp: FakeIssuer, answer: object, expected: str) -> None:
    """Groups decide which rules hold, so going on without them would be failing open."""
    idp.answers["/userinfo"] = answer
    idp.answers["/token"] = tokens(idp, groups=None)
    async with Opened(idp) as desk:
        with pytest.raises(LoginError, match=expected):
            await desk.login()


@pytest.mark.parametrize(
    ("methods", "header"),
    [(None, True), (["client_secret_basic", "client_secret_post"], True), (["client_secret_post"], False)],
)
async def test_a_client_with_a_secret(idp: FakeIssuer, methods: list[str] | None, header: bool) -> None:
    if methods:
        idp.document["token_endpoint_auth_methods_supported"] = methods
    idp.answers["/token"] = tokens(idp)
    async with Opened(idp, client_secret="p w:é") as desk:
        await desk.login()
    for request in (request for request in idp.requests if request.method == "POST"):
        expected = "Basic " + base64.b64encode(b"cli:p+w%3A%C3%A9").decode() if header else None
        assert request.headers.get("authorization") == expected
        assert request.form.get("client_secret") == (None if header else "p w:é")
        assert request.form.get("client_id") == (None if header else "cli")


@pytest.mark.parametrize(
    ("supported", "scope"),
    [
        (None, "openid profile email groups"),
        (["openid", "email", "offline_access"], "openid email"),
        ([], "openid"),
        ("openid", "openid profile email groups"),
    ],
)
async def test_only_known_scopes_are_asked_for(idp: FakeIssuer, supported: object, scope: str) -> None:
    if supported is not None:
        idp.document["scopes_supported"] = supported
    async with Opened(idp) as desk:
        await desk.start()
    assert idp.requests[-1].form["scope"] == scope
