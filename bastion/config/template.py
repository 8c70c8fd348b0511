"""What `bastion init` writes: a commented bastion.toml and a unit for systemd. Their texts lie beside this file.

As written, bastion.toml is refused with one finding for each value that only its owner can know: the issuer's url, the
target's address and host key. Everything else works as it stands.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path


def template(names: Sequence[str] = ("localhost",)) -> str:
    """Return the text of a new bastion.toml; `names` are what users will type after `ssh`."""
    text = files("bastion.config").joinpath("template.toml").read_text(encoding="utf-8")
    return text.replace("@NAMES@", json.dumps(list(names)))


def unit(folder: Path, program: Path) -> str:
    """Return the text of a unit for systemd (systemd.service(5)).

    `folder` holds bastion.toml and all that the bastion writes, `program` is the `bastion` command; both absolute.
    """
    text = files("bastion.config").joinpath("bastion.service").read_text(encoding="utf-8")
    for mark, value in (("@FOLDER@", str(folder)), ("@PROGRAM@", str(program)), ("@HOME@", _home(folder, program))):
        text = text.replace(mark, value.replace("%", "%%"))
    return text


def _home(folder: Path, program: Path) -> str:
    """Return what hides homes, except where the bastion itself lives in one."""
    homes = [Path("/home"), Path("/root"), Path("/run/user")]
    lives = any(path.is_relative_to(home) for path in (folder, program, program.resolve()) for home in homes)
    return "ProtectHome=read-only" if lives else "ProtectHome=yes"
