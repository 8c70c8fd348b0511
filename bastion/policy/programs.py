"""Which programs the analysis knows: one lookup by name over all tables.

A program in no table is followed no further than its argument list; what it may run itself is not claimed to be known.
"""

import re

from bastion.policy import (
    builtins,
    code_options,
    databases,
    editors,
    filters,
    git,
    languages,
    launchers,
    sessions,
    shells,
    text_programs,
    wrappers,
)
from bastion.policy.context import Handler

_TABLES = (
    shells.handler,
    wrappers.handler,
    launchers.handler,
    filters.handler,
    git.handler,
    sessions.handler,
    text_programs.handler,
    editors.handler,
    code_options.handler,
    languages.handler,
    databases.handler,
)
_VERSION = re.compile(r"(?<=[a-z])-?\d[\d.]*\Z")


def base_name(name: str) -> str:
    """Return a program's base name without its version: `/usr/bin/python3.11` is `python`."""
    base = name.rsplit("/", 1)[-1]
    return _VERSION.sub("", base) or base


def handler(name: str, in_shell: bool) -> Handler | None:
    """Return what follows the program (or builtin) of this name, else None."""
    base = name.rsplit("/", 1)[-1]
    builtin = builtins.handler(base, in_shell and "/" not in name)
    if builtin is not None:
        return builtin
    for candidate in dict.fromkeys((base, base_name(name))):
        for table in _TABLES:
            found = table(candidate)
            if found is not None:
                return found
    return None
