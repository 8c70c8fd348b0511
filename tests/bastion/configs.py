"""Small configurations for tests, and what is found in them."""

from collections.abc import Mapping
from pathlib import Path

from bastion.config.file import parse
from bastion.config.schema import Config
from bastion.errors import ConfigError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINS+2q5YHOUQzWfwzNINT7oxe1KlULimkfy5fJsdHmzx"
SSH = f'protocol = "ssh"\naddress = "10.0.0.5"\nhost_key = "{KEY}"\n'
WEB = f"[targets.web-1]\n{SSH}"
ORDERS = """[targets.orders]
protocol = "postgres"
address = "10.0.0.9"
"""
ISSUER = '[issuers.corp]\nurl = "https://idp.example.com"\nclient_id = "bastion"\n'
RULE = '[[rules]]\nname = "r"\naction = "deny"\n'

PATH = Path("/nonexistent/bastion.toml")


def config(text: str, environ: Mapping[str, str] | None = None, path: Path = PATH) -> Config:
    """Parse a configuration that has nothing wrong."""
    return parse(text, path, environ or {})


def findings(text: str, environ: Mapping[str, str] | None = None, path: Path = PATH) -> list[str]:
    """Return what is wrong with a configuration, without the file's name."""
    try:
        parse(text, path, environ or {})
    except ConfigError as error:
        lines = str(error).splitlines()
        assert all(line.startswith(f"{path.name}: ") for line in lines)
        return [line.removeprefix(f"{path.name}: ") for line in lines]
    return []
