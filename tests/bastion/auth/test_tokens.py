"""Tokens against a provider of our own: what is accepted, and every way in which one must not be."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from bastion.auth.oidc import Issuers
from bastion.auth.tokens import MAX_TOKEN, Proof, parse_token, to_identity
from bastion.auth.web import open_client
from bastion.errors import LoginError, UnavailableError
from bastion.model import Identity, Kind
from tests.bastion.auth.issuer import ED, OCT, P256, P384, RSA, RSA_2, FakeIssuer, Time
from tests.bastion.auth.kit import NOW

SECOND = int(NOW.timestamp())
WARNS = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # the tests do what it warns of


@pytest.fixture
async def idp() -> AsyncIterator[FakeIssuer]:
    async with FakeIssuer() as provider:
        provider.keys = [RSA, P256, P384, ED]
        yield provider


async def verify(idp: FakeIssuer, token: str, now: datetime = NOW, **issuer: Any) -> Proof:
    async with open_client() as client:
        return await Issuers({"corp": idp.issuer(**issuer)}, client, Time(now).clock).verify_token(token, now)


async def refusal(idp: FakeIssuer, token: str, **issuer: Any) -> str:
    with pytest.raises(LoginError) as caught:
        await verify(idp, token, **issuer)
    message = str(caught.value)
    assert message.isprintable()
    assert token not in message + caught.value.log
    return message


async def test_a_good_token(idp: FakeIssuer) -> None:
    proof = await verify(idp, f" {idp.token()}\n")
    expires = datetime.fromtimestamp(SECOND + 300, UTC)
    assert proof == Proof("alice@example.org", "corp", "s-1", ("eng",), Kind.HUMAN, expires)
    assert to_identity(proof, NOW) == Identity("alice@example.org", "corp", "s-1", ("eng",), Kind.HUMAN, 0, NOW)


@WARNS
@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")]
    + [(P256, "ES256"), (P384, "ES384"), (ED, "EdDSA"), (ED, "Ed25519")],
)
@pytest.mark.parametrize("kid", ["its own", None])
async def test_algorithms(idp: FakeIssuer, key: Any, algorithm: str, kid: str | None) -> None:
    header = {"kid": None} if kid is None else {}
    assert (await verify(idp, idp.token(key, algorithm, header))).name == "alice@example.org"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iss": "https://evil.example"}, "tokens of the issuer 'https://evil.example' are not accepted here"),
        ({"iss": None}, "tokens of the issuer 'None' are not accepted here"),
        ({"iss": ["x"]}, "are not accepted here"),
        ({"aud": "other"}, "the token of issuer corp is meant for 'other', not for 'bastion'; ask the issuer"),
        ({"aud": None}, "is meant for '', not for 'bastion'"),
        ({"aud": []}, "is meant for '', not for 'bastion'"),
        ({"aud": [["bastion"]]}, "is meant for '', not for 'bastion'"),
        ({"aud": {"bastion": 1}}, "is meant for ''"),
        ({"aud": "bastion2"}, "is meant for 'bastion2'"),
        ({"exp": None}, "the token of issuer corp never expires"),
        ({"exp": SECOND - 31}, "the token of issuer corp has expired at 2026-11-22T11:59:29.000Z; get a new one"),
        ({"exp": "never"}, "no proper time in 'exp'"),
        ({"exp": True}, "no proper time in 'exp'"),
        ({"exp": -1}, "no proper time in 'exp'"),
        ({"exp": 10**40}, "no proper time in 'exp'"),
        ({"exp": 253370764800}, "no proper time in 'exp'"),
        ({"nbf": SECOND + 32}, "is not valid before 2026-11-22T12:00:32.000Z; check the clocks"),
        ({"nbf": "x"}, "no proper time in 'nbf'"),
        ({"iat": SECOND + 32}, "is not valid before 2026-11-22T12:00:32.000Z; check the clocks"),
        ({"iat": SECOND, "exp": SECOND}, "expires before it was issued"),
        ({"sub": None}, "has no claim 'sub'"),
        ({"sub": 7}, "has no claim 'sub'"),
        ({"sub": ""}, "'' is no subject"),
        ({"sub": "a\nb"}, r"'a\nb' is no subject"),
        ({"email": 7}, "has no claim 'email' to take the user's name from"),
        ({"email": ["root"]}, "has no claim 'email'"),
        ({"email": ""}, "'' is no user name"),
        ({"email": "root,alice"}, "'root,alice' is no user name"),
        ({"email": "-oProxyCommand=x"}, "is no user name"),
        ({"email": "deploy%web-1"}, "is no user name"),
        ({"email": "jos\u00e9@example.org"}, r"'jos\xe9@example.org' is no user name"),
        ({"email": "alice\x1b[2J"}, r"'alice\x1b[2J' is no user name"),
        ({"email": "alice@example.org\n"}, "is no user name"),
        ({"email": "a" * 129}, "is no user name"),
        ({"email_verified": False}, "corp has not verified the address 'alice@example.org'; confirm it there first"),
        ({"email_verified": "false"}, "has not verified the address"),
        ({"groups": [1]}, "its groups are not a list of texts"),
        ({"groups": {"a": "b"}}, "its groups are not a list of texts"),
        ({"groups": "a,b"}, "'a,b' is no group"),
        ({"groups": ["eng", ""]}, "'' is no group"),
        ({"groups": ["eng\x07"]}, r"'eng\x07' is no group"),
        ({"groups": ["g" * 257]}, "is no group"),
        ({"groups": [str(n) for n in range(201)]}, "there are 201 groups"),
    ],
)
async def test_claims_refused(idp: FakeIssuer, changes: dict[str, Any], expected: str) -> None:
    assert expected in await refusal(idp, idp.token(**changes))


@pytest.mark.parametrize(
    ("changes", "groups"),
    [
        ({"aud": ["x", "bastion"]}, ("eng",)),
        ({"exp": SECOND - 29, "iat": None}, ("eng",)),
        ({"nbf": SECOND + 30, "iat": SECOND + 30}, ("eng",)),
        ({"exp": SECOND + 60.5}, ("eng",)),
        ({"email_verified": True}, ("eng",)),
        ({"groups": None}, ()),
        ({"groups": ""}, ()),
        ({"groups": []}, ()),
        ({"groups": "eng"}, ("eng",)),
        ({"groups": ["b", "a", "b"]}, ("b", "a")),
        ({"groups": ["/eng/Größe 2", "CN=x"]}, ("/eng/Größe 2", "CN=x")),
    ],
)
async def test_claims_accepted(idp: FakeIssuer, changes: dict[str, Any], groups: tuple[str, ...]) -> None:
    assert (await verify(idp, idp.token(**changes))).groups == groups


async def test_other_claims_may_name_the_user(idp: FakeIssuer) -> None:
    token = idp.token(email=None, email_verified=False, roles=["x"], groups=["y"])
    proof = await verify(idp, token, username_claim="sub", groups_claim="roles", kind=Kind.AGENT)
    assert (proof.name, proof.groups, proof.kind) == ("s-1", ("x",), Kind.AGENT)


def encode(part: object) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(header: object, claims: object, signature: str = "AAAA") -> str:
    return f"{encode(header)}.{encode(claims)}.{signature}"


async def test_unsigned_tokens(idp: FakeIssuer) -> None:
    for algorithm in ("none", "None", "nOnE", "NONE"):
        for signature in ("", "AAAA"):
            message = await refusal(idp, compact({"alg": algorithm, "kid": "r1"}, idp.claims(), signature))
            assert "algorithm" in message or "no signed JSON Web Token" in message


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
async def test_the_public_key_is_no_shared_secret(idp: FakeIssuer, algorithm: str) -> None:
    """The classic confusion: an HMAC keyed with what everybody can read."""
    signed = f"{encode({'alg': algorithm, 'kid': 'r1'})}.{encode(idp.claims())}"
    mac = hmac.digest(RSA.as_pem(private=False), signed.encode(), f"sha{algorithm[2:]}")
    token = f"{signed}.{encode(mac)}"
    assert f"the token's algorithm '{algorithm}' is not taken" in await refusal(idp, token)


async def test_a_shared_secret_in_the_key_set_is_not_used(idp: FakeIssuer) -> None:
    idp.answers["/jwks"] = {"keys": [OCT.as_dict(private=True), RSA.as_dict(private=False)]}
    assert "algorithm 'HS256' is not taken" in await refusal(idp, idp.token(OCT, "HS256"))


async def test_keys_brought_along_are_not_believed(idp: FakeIssuer) -> None:
    own = {"jwk": RSA_2.as_dict(private=False), "jku": f"{idp.url}/evil", "x5u": f"{idp.url}/evil"}
    idp.answers["/evil"] = {"keys": [RSA_2.as_dict(private=False)]}
    for kid in ("r1", "r2", None):
        token = idp.token(RSA_2, header={**own, "kid": kid})
        assert "signature is not of issuer corp" in await refusal(idp, token)
    assert idp.count("/evil") == 0


async def test_the_wrong_key_under_the_right_name(idp: FakeIssuer) -> None:
    assert "signature is not of issuer corp" in await refusal(idp, idp.token(RSA_2, header={"kid": "r1"}))


@WARNS
async def test_weak_keys_are_not_used(idp: FakeIssuer) -> None:
    small = RSAKey.generate_key(1024, {"kid": "small"})
    idp.keys = [RSA, small]
    assert "signature is not of issuer corp" in await refusal(idp, idp.token(small))


async def test_a_key_for_another_algorithm_is_not_used(idp: FakeIssuer) -> None:
    idp.answers["/jwks"] = {"keys": [{**RSA.as_dict(private=False), "alg": "RS512"}]}
    assert "signature is not of issuer corp" in await refusal(idp, idp.token())
    assert (await verify(idp, idp.token(algorithm="RS512"))).name


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"crit": ["exp"]}, "header is not understood"),
        ({"b64": True}, "header is not understood"),
        ({"kid": 7}, "header is not understood"),
        ({"typ": "logout+jwt"}, "a token of type 'logout+jwt' does not log anyone in"),
        ({"typ": "secevent+jwt"}, "does not log anyone in"),
        ({"typ": 7}, "does not log anyone in"),
        ({"alg": "ES256K"}, "algorithm 'ES256K' is not taken"),
        ({"alg": ["RS256"]}, "is not taken"),
        ({"alg": None}, "algorithm 'None' is not taken"),
    ],
)
async def test_headers_refused(idp: FakeIssuer, header: dict[str, Any], expected: str) -> None:
    _, claims, signature = idp.token().split(".")
    head = {"alg": "RS256", "kid": "r1", "typ": "JWT", **header}
    assert expected in await refusal(idp, f"{encode(head)}.{claims}.{signature}")


@pytest.mark.parametrize("header", [{"typ": None}, {"typ": "at+jwt"}, {"x5t": "abc", "x5c": ["A" * 2000], "new": 1}])
async def test_headers_accepted(idp: FakeIssuer, header: dict[str, Any]) -> None:
    head = {name: value for name, value in {"alg": "RS256", "kid": "r1", **header}.items() if value is not None}
    signed = f"{encode(head)}.{encode(idp.claims())}"
    signature = JWSRegistry.algorithms["RS256"].sign(signed.encode(), RSA)
    assert (await verify(idp, f"{signed}.{encode(signature)}")).name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no token was given"),
        ("\n", "no token was given"),
        ("hello", "no signed JSON Web Token"),
        ("a.b", "no signed JSON Web Token"),
        ("a.b.c.d.e", "no signed JSON Web Token"),
        ("a.b.c", "the token is damaged"),
        ("a b.c.d", "no signed JSON Web Token"),
        ("é.b.c", "no signed JSON Web Token"),
        (compact([1], {}), "the token is damaged"),
        (compact(b"{" * 9, {}), "the token is damaged"),
        (compact(b"[" * 9000, {}), "the token is damaged"),
        (compact({"alg": "RS256"}, b'{"a":NaN}'), "the token is damaged"),
        (compact({"alg": "RS256"}, b'{"iss":"a","iss":"b"}'), "the token is damaged"),
        (compact({"alg": "RS256"}, b"\xff"), "the token is damaged"),
        (compact({"alg": "RS256"}, {}, "AB"), "the token is damaged"),
        ("a." + "b" * MAX_TOKEN + ".c", "longer than 32768 characters"),
    ],
)
async def test_texts_that_are_no_tokens(idp: FakeIssuer, text: str, expected: str) -> None:
    with pytest.raises(LoginError, match=expected):
        await verify(idp, text)
    assert not idp.requests


@given(st.text(max_size=60) | st.lists(st.binary(max_size=40).map(encode), min_size=3, max_size=3).map(".".join))
def test_any_text_is_a_token_or_a_refusal(text: str) -> None:
    try:
        assert parse_token(text).signature
    except LoginError:
        return


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit"]), st.none() | st.integers() | st.text(max_size=5)))
def test_any_header_is_a_token_or_a_refusal(header: dict[str, Any]) -> None:
    try:
        assert parse_token(compact(header, {})).algorithm == header["alg"]
    except LoginError:
        return


async def test_a_changed_token(idp: FakeIssuer) -> None:
    head, _, signature = idp.token().split(".")
    assert "signature" in await refusal(idp, f"{head}.{encode(idp.claims(email='root@example.org'))}.{signature}")
    changed = ("B" if signature[0] == "A" else "A") + signature[1:]
    assert "signature" in await refusal(idp, f"{head}.{encode(idp.claims())}.{changed}")
    assert "signature" in await refusal(idp, f"{head}.{encode(idp.claims())}.AAAA")


async def test_a_token_never_prints_itself(idp: FakeIssuer) -> None:
    assert repr(parse_token(idp.token())) == "Token(***)"


async def several(idp: FakeIssuer, token: str) -> Proof:
    issuers = [
        idp.issuer("people", client_id="web"),
        idp.issuer("machines", client_id="ci", username_claim="client_id", kind=Kind.AGENT),
        idp.issuer("other", client_id="x", audience="elsewhere"),
    ]
    async with open_client() as client:
        found = Issuers({issuer.name: issuer for issuer in issuers}, client, Time().clock)
        return await found.verify_token(token, NOW)


@pytest.mark.parametrize(
    ("changes", "issuer"),
    [
        ({}, "people"),
        ({"azp": "web"}, "people"),
        ({"azp": "unknown"}, "people"),
        ({"azp": "ci", "client_id": "ci"}, "machines"),
        ({"client_id": "ci"}, "machines"),
        ({"client_id": "unknown", "email": None}, "machines"),
        ({"aud": "elsewhere"}, "other"),
    ],
)
async def test_several_issuers_with_one_url(idp: FakeIssuer, changes: dict[str, Any], issuer: str) -> None:
    assert (await several(idp, idp.token(**changes))).issuer == issuer


async def test_a_machines_token_never_becomes_a_person(idp: FakeIssuer) -> None:
    """Its own issuer is the only one considered, even where another one would take it."""
    with pytest.raises(LoginError, match="issuer machines is meant for 'elsewhere'"):
        await several(idp, idp.token(client_id="ci", aud="elsewhere"))


async def test_userinfo_names_the_user_of_an_access_token(idp: FakeIssuer) -> None:
    idp.answers["/userinfo"] = {"sub": "s-1", "email": "alice@example.org", "groups": ["told"]}
    token = idp.token(email=None)
    proof = await verify(idp, token)
    assert (proof.name, proof.groups) == ("alice@example.org", ("eng",))  # the signed claim wins
    assert idp.requests[-1].headers["authorization"] == f"Bearer {token}"


@pytest.mark.parametrize(
    ("answer", "error", "expected"),
    [
        ({"sub": "s-2", "email": "root@example.org"}, LoginError, "claims of somebody else"),
        ({"email": "root@example.org"}, LoginError, "claims of somebody else"),
        ({"sub": "s-1"}, LoginError, "has no claim 'email'"),
        ({"sub": "s-1", "email": "a@b", "email_verified": False}, LoginError, "has not verified"),
        (None, UnavailableError, "issuer corp does not answer"),
    ],
)
async def test_userinfo_that_does_not_help(
    idp: FakeIssuer, answer: dict[str, Any] | None, error: type[Exception], expected: str
) -> None:
    idp.answers["/userinfo"] = answer
    with pytest.raises(error, match=expected):
        await verify(idp, idp.token(email=None))


async def test_an_unsigned_claim_is_never_confirmed(idp: FakeIssuer) -> None:
    """No userinfo for a token whose signature is wrong, and nothing about its claims in the answer."""
    assert "signature" in await refusal(idp, idp.token(RSA_2, email=None, exp=1, aud="x"))
    assert idp.count("/userinfo") == 0


async def test_keys_change(idp: FakeIssuer) -> None:
    time = Time()
    async with open_client() as client:
        issuers = Issuers({"corp": idp.issuer()}, client, time.clock)
        assert (await issuers.verify_token(idp.token(), time.now)).name
        idp.keys = [RSA_2]
        assert (await issuers.verify_token(idp.token(RSA_2), time.now)).name
        for _ in range(20):  # unknown ids do not make us hammer the provider
            with pytest.raises(LoginError, match="signature"):
                await issuers.verify_token(idp.token(header={"kid": "no such"}), time.now)
        assert idp.count("/jwks") == 2
        time.now += timedelta(minutes=1)
        with pytest.raises(LoginError, match="signature"):  # the old key is withdrawn
            await issuers.verify_token(idp.token(), time.now)
        assert idp.count("/jwks") == 3
        assert idp.count("/.well-known/openid-configuration") == 1


async def test_keys_without_ids_change(idp: FakeIssuer) -> None:
    time = Time()
    idp.answers["/jwks"] = {"keys": [{**RSA.as_dict(private=False), "kid": ""}]}
    async with open_client() as client:
        issuers = Issuers({"corp": idp.issuer()}, client, time.clock)
        for kid in (None, "whatever"):
            assert (await issuers.verify_token(idp.token(header={"kid": kid}), time.now)).name
        idp.answers["/jwks"] = {"keys": [{**RSA_2.as_dict(private=False), "kid": ""}]}
        assert (await issuers.verify_token(idp.token(RSA_2, header={"kid": None}), time.now)).name
