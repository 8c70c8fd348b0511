"""Tokens and device logins against a real OpenID provider that nobody here wrote."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from bastion.auth.authority import UserAuthority
from bastion.auth.certificate import identify
from bastion.auth.oidc import Issuers
from bastion.auth.tokens import to_identity
from bastion.auth.web import open_client
from bastion.config.schema import CertificateConfig, Issuer, Secret
from bastion.errors import LoginError, UnavailableError
from bastion.model import Kind, utcnow
from tests.bastion.auth.kit import blob, key
from tests.lab.provider import AUDIENCE, CLIENT_ID, Provider

PEOPLE = {"alice": ("eng", "dba"), "bob": ("sre",)}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    running = Provider(tmp_path_factory.mktemp("idp"), PEOPLE)
    yield running
    running.stop()


def issuers(url: str) -> dict[str, Issuer]:
    return {
        "corp": Issuer("corp", url, CLIENT_ID, AUDIENCE),
        "machines": Issuer("machines", url, "ci", AUDIENCE, Secret("ci-secret"), "sub", "groups", Kind.WORKLOAD),
    }


@pytest.fixture
async def known(provider: Provider) -> AsyncIterator[Issuers]:
    async with open_client() as client:
        yield Issuers(issuers(provider.url), client)


async def test_a_token_for_a_program(provider: Provider, known: Issuers) -> None:
    proof = await known.verify_token(provider.token("alice"), utcnow())
    assert (proof.name, proof.issuer, proof.subject) == ("alice@example.org", "corp", "alice")
    assert (proof.groups, proof.kind) == (("eng", "dba"), Kind.HUMAN)
    assert proof.expires > utcnow() + timedelta(minutes=50)


async def test_the_token_of_a_workload(provider: Provider, known: Issuers) -> None:
    proof = await known.verify_token(provider.client_token(), utcnow())
    assert (proof.name, proof.issuer, proof.groups, proof.kind) == ("ci", "machines", (), Kind.WORKLOAD)


async def test_an_expired_token(provider: Provider, known: Issuers) -> None:
    token = provider.token("alice", minutes=1)
    with pytest.raises(LoginError, match=r"the token of issuer corp has expired at .*; get a new one"):
        await known.verify_token(token, utcnow() + timedelta(minutes=2))


async def test_the_provider_changes_its_key(provider: Provider, known: Issuers) -> None:
    before = provider.token("alice")
    assert (await known.verify_token(before, utcnow())).subject == "alice"
    provider.rotate_keys()
    assert (await known.verify_token(provider.token("bob"), utcnow())).subject == "bob"
    assert (await known.verify_token(before, utcnow())).subject == "alice"


async def test_a_device_login_becomes_a_certificate(provider: Provider, known: Issuers) -> None:
    login = await known.start_device("corp")
    assert login.verification_uri == f"{provider.url}/device"
    assert login.user_code in login.verification_uri_complete
    waiting = asyncio.create_task(known.poll(login))
    await asyncio.to_thread(provider.answer_device, login.user_code, "bob")
    proof = await waiting
    assert (proof.name, proof.subject, proof.groups) == ("bob@example.org", "bob", ("sre",))  # two of them by userinfo
    now = utcnow()
    authority = UserAuthority(key("user_ca"), CertificateConfig())
    issued = authority.issue(to_identity(proof, now), key("bob").convert_to_public(), now, 11)
    identity = identify(blob(issued), key("user_ca"), "127.0.0.1", now)
    assert (identity.name, identity.groups, identity.serial) == ("bob@example.org", ("sre",), 11)


async def test_a_device_login_denied_in_the_browser(provider: Provider, known: Issuers) -> None:
    login = await known.start_device("corp")
    await asyncio.to_thread(lambda: provider.answer_device(login.user_code, "bob", allow=False))
    with pytest.raises(LoginError, match="the login was denied in the browser"):
        await known.poll(login)


async def test_a_token_of_another_provider(provider: Provider) -> None:
    async with open_client() as client:
        elsewhere = Issuers({"x": Issuer("x", "https://idp.example", CLIENT_ID, AUDIENCE)}, client)
        with pytest.raises(LoginError, match="are not accepted here"):
            await elsewhere.verify_token(provider.token("alice"), utcnow())


async def test_the_provider_goes_down(tmp_path_factory: pytest.TempPathFactory) -> None:
    gone = Provider(tmp_path_factory.mktemp("gone"), PEOPLE)
    down = r"^issuer corp does not answer \(127.0.0.1\); try again later$"
    token = gone.token("alice")
    async with open_client() as client:
        warm, cold = Issuers(issuers(gone.url), client), Issuers(issuers(gone.url), client)
        await warm.verify_token(token, utcnow())
        login = await warm.start_device("corp")
        gone.stop()
        for attempt in (
            cold.verify_token(token, utcnow()),
            cold.start_device("corp"),
            warm.verify_token(token, utcnow()),  # it has the keys, but this token needs userinfo
            warm.start_device("corp"),
        ):
            with pytest.raises(UnavailableError, match=down):
                await attempt
        waiting = asyncio.create_task(warm.poll(login))  # goes on trying, until whoever waits has enough
        done, _ = await asyncio.wait({waiting}, timeout=login.interval * 1.5)
        assert not done
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
