"""Which variables of the client's environment may be set on a target. Pure.

Roles name them by globs. Some names never pass, whatever a role says: those that make a shell, a loader or git run
something else than what was asked for, and so would make every rule about commands void. The target has the last word
(`AcceptEnv` of sshd). Not here: the bastion's own variables, which it reads itself and sends nowhere.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

DEFAULT = ("LANG", "LC_*")
"""What a role that says nothing lets through: the language."""

OWN = "BASTION_"
"""How the names of variables begin that are meant for the bastion."""

NEVER = (
    *("LD_*", "DYLD_*", "BASH_ENV", "ENV", "PATH", "IFS", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND"),
    *("GIT_SSH*", "BASH_FUNC_*"),
)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_PATTERN = re.compile(r"[A-Za-z0-9_*?\[\]!-]{1,255}")


def may_pass(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a variable may be set on the target, where roles let these patterns through."""
    if not _NAME.fullmatch(name) or is_never(name):
        return False
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def is_never(name: str) -> bool:
    """Return whether the name (or a pattern that looks like one) is of those that never pass."""
    return any(fnmatchcase(name, pattern) for pattern in NEVER)


def is_pattern(text: str) -> bool:
    """Return whether the text can match a variable's name."""
    return _PATTERN.fullmatch(text) is not None
