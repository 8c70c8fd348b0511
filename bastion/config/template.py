"""The commented bastion.toml that `bastion init` writes. Its text is `template.toml`, beside this file.

As written it is refused with one finding for each value that only its owner can know: the issuer's url, the target's
address and host key. Everything else works as it stands.
"""

import json
from collections.abc import Sequence
from importlib.resources import files


def template(names: Sequence[str] = ("localhost",)) -> str:
    """Return the text of a new bastion.toml; `names` are what users will type after `ssh`."""
    text = files("bastion.config").joinpath("template.toml").read_text(encoding="utf-8")
    return text.replace("@NAMES@", json.dumps(list(names)))
