"""What is fetched from providers: metadata, key sets, how long they are kept, and what HTTP may do to us."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.auth import web
from bastion.auth.cache import RETRY, Cached
from bastion.auth.jsontext import parse_object
from bastion.auth.jwks import candidates, parse_keys
from bastion.auth.oidc import Issuers
from bastion.auth.web import MAX_ANSWER, check_url, fetch, is_plain_url, open_client
from bastion.errors import UnavailableError
from tests.bastion.auth.issuer import ED, OCT, P256, RSA, FakeIssuer, Raw, Time
from tests.bastion.auth.kit import NOW

CONFIGURATION = "/.well-known/openid-configuration"
JWK = RSA.as_dict(private=False)


@pytest.fixture
async def idp() -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer() as provider:
        yield provider


async def outage(idp: FakeIssuer, **issuer: Any) -> str:
    """Return what a user reads who cannot log in because of the provider."""
    async with open_client() as client:
        with pytest.raises(UnavailableError) as caught:
            await Issuers({"corp": idp.issuer(**issuer)}, client, Time().clock).verify_token(
                idp.token(iss=issuer.get("url", idp.url)), NOW
            )
    assert str(caught.value).isprintable()
    assert caught.value.log.isprintable()
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"issuer": None}, "it calls itself 'None'; set its url to exactly that"),
        ({"issuer": "https://evil.example"}, "it calls itself 'https://evil.example'; set its url to exactly that"),
        ({"jwks_uri": None}, "it publishes no jwks_uri"),
        ({"jwks_uri": 7}, "'7' is no URL"),
        ({"jwks_uri": "file:///etc/passwd"}, "'file:///etc/passwd' is no URL"),
        ({"jwks_uri": "http://idp.example/jwks"}, "is not encrypted; only https is taken"),
        ({"token_endpoint": "http://10.0.0.1/"}, "is not encrypted"),
        ({"device_authorization_endpoint": "http://10.0.0.1/"}, "is not encrypted"),
        ({"userinfo_endpoint": "https://a b/"}, "is no URL"),
    ],
)
async def test_metadata_refused(idp: FakeIssuer, changes: dict[str, Any], expected: str) -> None:
    idp.document |= changes
    message = await outage(idp)
    assert message.startswith("issuer corp is not set up properly: ")
    assert expected in message


async def test_the_issuer_must_be_the_url_to_the_letter(idp: FakeIssuer) -> None:
    assert f"it calls itself '{idp.url}'; set its url to exactly that" in await outage(idp, url=idp.url + "/")
    assert idp.count(CONFIGURATION) == 1


@pytest.mark.parametrize("url", ["http://idp.example", "ftp://idp.example", "idp.example", ""])
async def test_issuers_that_are_not_asked(idp: FakeIssuer, url: str) -> None:
    assert "issuer corp is not set up properly" in await outage(idp, url=url)
    assert not idp.requests


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (None, "it publishes no set of keys"),
        ({}, "it publishes no set of keys"),
        ([], "it publishes no key that may be used"),
        ([{}], "it publishes no key that may be used"),
        (["x"], "it publishes no key that may be used"),
        ([OCT.as_dict(private=True)], "it publishes no key that may be used"),
        ([RSA.as_dict(private=True)], "it publishes no key that may be used"),  # everybody knows this one now
        ([{**JWK, "use": "enc"}], "it publishes no key that may be used"),
        ([{**JWK, "key_ops": ["encrypt"]}], "it publishes no key that may be used"),
        ([{**JWK, "key_ops": 7}], "it publishes no key that may be used"),
        ([{**JWK, "alg": "RSA-OAEP"}], "it publishes no key that may be used"),
        ([{**JWK, "alg": 7}], "it publishes no key that may be used"),
        ([{**JWK, "kid": 7}], "it publishes no key that may be used"),
        ([{**JWK, "n": 7}], "it publishes no key that may be used"),
        ([{**JWK, "n": "AQAB"}], "it publishes no key that may be used"),
        ([{**JWK, "n": "A" * 3000}], "it publishes no key that may be used"),
        ([{**JWK, "e": "AQ"}], "it publishes no key that may be used"),
        ([{"kty": "EC", "crv": "secp256k1", "x": "A", "y": "A"}], "it publishes no key that may be used"),
        ([{**P256.as_dict(private=False), "x": "AAAA"}], "it publishes no key that may be used"),
        ([JWK] * 101, "it publishes more than 100 keys"),
    ],
)
async def test_key_sets_refused(idp: FakeIssuer, keys: object, expected: str) -> None:
    idp.answers["/jwks"] = {"keys": keys}
    assert expected in await outage(idp)


def test_one_bad_key_does_not_spoil_the_others() -> None:
    keys = parse_keys({"keys": [{"kty": "new"}, {**JWK, "n": ""}, P256.as_dict(private=False), JWK]})
    assert [key.kid for key in keys] == ["e1", "r1"]


def test_candidates() -> None:
    published = [*(key.as_dict(private=False) for key in (RSA, P256, ED)), {**JWK, "kid": ""}]
    keys = parse_keys({"keys": published})

    def found(algorithm: str, kid: str) -> list[str]:
        return [key.kid for key in candidates(keys, algorithm, kid)]

    assert found("RS256", "r1") == ["r1"]
    assert found("RS256", "") == ["r1", ""]
    assert found("RS256", "other") == [""]
    assert found("ES256", "r1") == []
    assert found("EdDSA", "") == ["o1"]
    assert found("HS256", "") == []


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)
FIELD = st.sampled_from(["kty", "crv", "n", "e", "x", "y", "kid", "alg", "use", "key_ops", "d", "x5c", "oth"])


@given(st.sampled_from([RSA, P256, ED]), st.dictionaries(FIELD, JUNK | st.sampled_from(["RSA", "EC", "OKP", "P-256"])))
def test_any_key_is_usable_or_left_out(key: Any, changes: dict[str, Any]) -> None:
    kids = [found.kid for found in parse_keys({"keys": [{**key.as_dict(private=False), **changes}, JWK]})]
    assert kids[-1] == "r1"
    assert len(kids) <= 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (None, "issuer corp does not answer (127.0.0.1); try again later"),
        (Raw(500), "issuer corp does not answer (127.0.0.1 says status 500); try again later"),
        (Raw(429), "status 429"),
        (Raw(404), "answers with status 404 and no document"),
        (Raw(301, headers={"Location": "http://127.0.0.1:1/"}), "answers with status 301 and no document"),
        (Raw(body=b"<html>\x1b[2J"), "answers with status 200 and no document"),
        (Raw(body=b"[]"), "answers with status 200 and no document"),
        (Raw(body=b"[" * 100_000), "answers with status 200 and no document"),
        (Raw(body=b"\xff"), "answers with status 200 and no document"),
        (Raw(body=b" " * (MAX_ANSWER + 1)), "does not answer"),
        (Raw(body=b" " * 65536, endless=True), "does not answer"),
        (Raw(body=gzip.compress(b"{}", mtime=0), headers={"Content-Encoding": "gzip"}), "does not answer"),
        (Raw(headers={"Content-Length": "99"}), "does not answer"),
        (Raw(headers={"X": "y" * 200_000}), "does not answer"),
    ],
)
@pytest.mark.parametrize("path", [CONFIGURATION, "/jwks"])
async def test_bad_answers(idp: FakeIssuer, path: str, answer: object, expected: str) -> None:
    idp.answers[path] = answer
    assert expected in await outage(idp)
    assert idp.count(path) == 1


async def test_a_redirect_is_not_followed(idp: FakeIssuer) -> None:
    idp.answers[CONFIGURATION] = Raw(302, headers={"Location": f"{idp.url}/elsewhere"})
    idp.answers["/elsewhere"] = idp.document
    await outage(idp)
    assert idp.count("/elsewhere") == 0


async def test_a_silent_provider_costs_seconds_and_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    silent = asyncio.Event()

    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(never, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with open_client() as client:
        waiting = asyncio.create_task(fetch(client, "corp", client.build_request("GET", url)))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.001)
            turns += 1
        with pytest.raises(UnavailableError, match=r"issuer corp does not answer \(127.0.0.1\)"):
            await waiting
    assert turns > 10
    silent.set()
    server.close()


async def test_nobody_listens(idp: FakeIssuer) -> None:
    message = await outage(idp, url="http://127.0.0.1:1")
    assert message == "issuer corp does not answer (127.0.0.1); try again later"


async def test_a_name_that_does_not_exist(idp: FakeIssuer) -> None:
    message = await outage(idp, url="https://idp.invalid")
    assert message == "issuer corp does not answer (idp.invalid); try again later"


async def test_no_cookie_of_one_login_reaches_the_next(idp: FakeIssuer) -> None:
    idp.answers["/x"] = Raw(body=b"{}", headers={"Set-Cookie": "session=alice; Path=/"})
    async with open_client() as client:
        for _ in range(2):
            await fetch(client, "corp", client.build_request("GET", f"{idp.url}/x"))
    assert "cookie" not in idp.requests[-1].headers


async def test_loopback_is_asked_without_proxy(idp: FakeIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    idp.answers["/x"] = {"a": 1}
    async with open_client() as client:
        answer = await fetch(client, "corp", client.build_request("GET", f"{idp.url}/x"))
    assert answer.body == {"a": 1}


@pytest.mark.parametrize(
    ("url", "loopback", "accepted"),
    [
        ("https://idp.example/x", False, True),
        ("http://127.0.0.1:8/x", True, True),
        ("http://[::1]:8/x", True, True),
        ("http://localhost/x", True, True),
        ("http://127.0.0.1/", False, False),
        ("http://localhost.evil.example/", True, False),
        ("http://127.0.0.1.evil.example/", True, False),
        ("http://127.0.0.1@evil.example/", True, False),
        ("https://user:pw@idp.example/", True, False),
        ("https://", True, False),
        ("https://idp.example/\n", True, False),
        ("https://idp.\u0435xample/", True, False),
        ("https://idp.example:99999/", True, False),
        ("unix:///x", True, False),
    ],
)
def test_urls(url: str, loopback: bool, accepted: bool) -> None:
    try:
        assert check_url(url, loopback=loopback) == url
    except ValueError:
        assert not accepted
    else:
        assert accepted


@given(st.text(max_size=40) | st.text(max_size=20).map("https://{}".format))
def test_any_text_is_a_url_or_not(text: str) -> None:
    assert not is_plain_url(text) or httpx.URL(text).host


@given(JUNK)
def test_only_objects_are_read(value: Any) -> None:
    text = json.dumps(value)
    if isinstance(value, dict):
        assert parse_object(text) == value
    else:
        with pytest.raises(ValueError):
            parse_object(text)


class Source:
    """Counts how often it is asked, and fails when told to."""

    def __init__(self) -> None:
        self.time = Time()
        self.asked = 0
        self.down = False
        self.cached = Cached(self.load, self.time.clock, timedelta(minutes=10), timedelta(hours=1))

    async def load(self) -> list[int]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.down:
            raise UnavailableError(f"down {self.asked}")
        return [self.asked]


async def test_many_callers_one_fetch() -> None:
    source = Source()
    assert await asyncio.gather(*(source.cached.get() for _ in range(20))) == [[1]] * 20
    assert source.asked == 1


async def test_many_callers_one_failure() -> None:
    source = Source()
    source.down = True
    failures = await asyncio.gather(*(source.cached.get() for _ in range(20)), return_exceptions=True)
    assert {str(failure) for failure in failures} == {"down 1"}
    source.down = False
    with pytest.raises(UnavailableError, match="down 1"):
        await source.cached.get()
    source.time.now += RETRY
    assert await source.cached.get() == [2]


@pytest.mark.parametrize(
    ("later", "down", "expected"),
    [
        (timedelta(minutes=9), False, [1]),
        (timedelta(minutes=10), False, [2]),
        (timedelta(minutes=10), True, [1]),
        (timedelta(minutes=59), True, [1]),
        (timedelta(minutes=60), True, None),
        (timedelta(seconds=-1), False, [2]),  # the clock was set back
    ],
)
async def test_how_long_a_value_is_kept(later: timedelta, down: bool, expected: list[int] | None) -> None:
    source = Source()
    await source.cached.get()
    source.down, source.time.now = down, source.time.now + later
    if expected is None:
        with pytest.raises(UnavailableError, match="down 2"):
            await source.cached.get()
    else:
        assert await source.cached.get() == expected


async def test_renewing() -> None:
    source = Source()
    first = await source.cached.get()
    renewed = await asyncio.gather(*(source.cached.renew(first) for _ in range(2)))
    assert renewed == [[2], [2]]
    second = await source.cached.get()
    assert await source.cached.renew(second) is second  # too soon
    source.time.now += RETRY
    assert await source.cached.renew(second) == [3]
