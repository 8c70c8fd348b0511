"""What an OpenID provider says about itself (OpenID Connect Discovery 1.0), checked. `remote` fetches it."""

from dataclasses import dataclass
from typing import Any

from bastion.auth.spelling import quoted
from bastion.auth.web import check_url, is_loopback
from bastion.config.schema import Issuer

SCOPES = ("openid", "profile", "email", "groups")  # what we ask for, as far as the provider knows it


@dataclass(frozen=True, slots=True)
class Metadata:
    """The parts of a discovery document that are used. An endpoint the provider does not have is empty.

    `scopes` are the ones to ask for; `secret_in_form` says that a client's secret goes into the form and not into the
    Authorization header.
    """

    jwks_uri: str
    token_endpoint: str
    device_endpoint: str
    userinfo_endpoint: str
    scopes: tuple[str, ...]
    secret_in_form: bool


def discovery_url(issuer: Issuer) -> str:
    """Return where the issuer's discovery document is (section 4), or raise ValueError where it may not be asked."""
    return check_url(issuer.url, loopback=True).rstrip("/") + "/.well-known/openid-configuration"


def parse_metadata(issuer: Issuer, document: dict[str, Any]) -> Metadata:
    """Check a discovery document, or raise ValueError saying what is wrong with it.

    Its `issuer` must be the configured URL to the letter (section 4.3). Endpoints may lie on other hosts, but only an
    issuer on this machine may name endpoints on it without encryption.
    """
    if document.get("issuer") != issuer.url:
        raise ValueError(f"it calls itself {quoted(str(document.get('issuer')))}; set its url to exactly that")
    loopback = issuer.url.startswith("http://") and is_loopback(issuer.url)

    def endpoint(name: str) -> str:
        return check_url(document[name], loopback=loopback) if document.get(name) is not None else ""

    jwks_uri = endpoint("jwks_uri")
    if not jwks_uri:
        raise ValueError("it publishes no jwks_uri")
    supported = document.get("scopes_supported")
    methods = document.get("token_endpoint_auth_methods_supported")
    return Metadata(
        jwks_uri=jwks_uri,
        token_endpoint=endpoint("token_endpoint"),
        device_endpoint=endpoint("device_authorization_endpoint"),
        userinfo_endpoint=endpoint("userinfo_endpoint"),
        scopes=tuple(s for s in SCOPES if s == "openid" or not isinstance(supported, list) or s in supported),
        secret_in_form=isinstance(methods, list)
        and "client_secret_post" in methods
        and "client_secret_basic" not in methods,
    )
