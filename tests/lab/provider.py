"""A real OpenID provider nobody here wrote: nanoidp, on a free loopback port, with the people of the lab.

Its users and their groups are in `PEOPLE` and `AGENTS`. The browser's part of a login is played over HTTP, form by
form, so that the flows are the real ones. Passwords are made up anew by the name: NAME-pw.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.lab.process import LabError, Server, free_port

PEOPLE: Mapping[str, tuple[str, ...]] = {
    "alice": ("eng",),
    "erin": ("eng",),
    "bob": ("sre",),
    "dave": ("sre",),
    "carol": ("dpo",),
    "mallory": ("guests",),
}
AGENTS: Mapping[str, tuple[str, ...]] = {"build-agent": ("agents",)}
CLIENT_ID = "bastion-cli"
AUDIENCE = "bastion"

SETTINGS = """\
config_version: 1
config_validation: strict
server: {{host: 127.0.0.1, port: {port}}}
session: {{enforce_password_check: true}}
device_flow: {{polling_interval: 1, code_expiry_seconds: 120}}
oauth:
  issuer: http://127.0.0.1:{port}
  audience: {audience}
  token_expiry_minutes: 60
  require_pkce: true
  refresh_token_rotation: true
  scopes_supported: [openid, profile, email, groups, offline_access]
  clients:
    - {{client_id: {client}, token_endpoint_auth_method: none, redirect_uris: ["http://127.0.0.1/callback"]}}
    - {{client_id: ci, client_secret: ci-secret}}
saml: {{default_acs_url: "http://127.0.0.1:1/saml/acs", export_groups: true, groups_attr_name: groups}}
"""


class Provider:
    """A running nanoidp. `url` is its issuer."""

    def __init__(self, folder: Path, users: Mapping[str, tuple[str, ...]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._http = httpx.Client(base_url=self.url, timeout=10, trust_env=False)
        settings = SETTINGS.format(port=port, audience=AUDIENCE, client=CLIENT_ID)
        (folder / "settings.yaml").write_text(settings, encoding="utf-8")
        rows = [
            f"  {name}: {{password: {name}-pw, email: {name}@example.org, groups: [{', '.join(groups)}]}}"
            for name, groups in users.items()
        ]
        (folder / "users.yaml").write_text("\n".join(["config_version: 1", "users:", *rows, ""]), encoding="utf-8")
        program = Path(sys.executable).with_name("nanoidp")
        command = [str(program), "--config", str(folder)]
        self.server = Server("nanoidp", command, folder / "log", cwd=folder, env=_clean())  # keeps its keys in its cwd
        self.server.wait_for("its health page", self._healthy)

    def _healthy(self) -> bool:
        try:
            return self._http.get("/api/health").is_success
        except httpx.TransportError:
            return False

    def token(self, user: str, minutes: int = 60) -> str:
        """Mint an access token of a user, as a program would be given one."""
        answer = self._http.post(f"/api/users/{user}/token", json={"exp_minutes": minutes, "client_id": CLIENT_ID})
        return str(_json(answer)["access_token"])

    def client_token(self) -> str:
        """Obtain a token of the confidential client `ci` by client credentials (RFC 6749 section 4.4)."""
        answer = self._http.post("/token", auth=("ci", "ci-secret"), data={"grant_type": "client_credentials"})
        return str(_json(answer)["access_token"])

    def answer_device(self, user_code: str, user: str, *, allow: bool = True) -> None:
        """Play the browser of the device flow (RFC 8628): sign in as `user` and allow or deny the code."""
        form = {
            "user_code": user_code,
            "username": user,
            "password": f"{user}-pw",
            "action": "authorize" if allow else "deny",
        }
        answer = self._http.post("/device", data=form)
        if answer.status_code >= httpx.codes.BAD_REQUEST:
            raise LabError(f"nanoidp refused the device code {user_code}: {answer.status_code}")

    def rotate_keys(self) -> None:
        """Sign with a new key from now on; the old one stays in the JWKS."""
        _json(self._http.post("/api/keys/rotate"))

    def stop(self) -> None:
        """Stop it."""
        self._http.close()
        self.server.stop()


def _json(answer: httpx.Response) -> dict[str, object]:
    if not answer.is_success:
        raise LabError(f"nanoidp answered {answer.status_code}: {answer.text[:200]}")
    found = answer.json()
    assert isinstance(found, dict)
    return found


def _clean() -> dict[str, str]:
    """Keep the caller's proxies away from loopback."""
    return {name: "" for name in os.environ if name.lower().endswith("_proxy")}
