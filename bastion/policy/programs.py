"""Which programs the analysis knows: one lookup by name over all tables.

A program in no table is followed no further than its argument list; what it may run itself is not claimed to be known.
"""

import re

from bastion.policy import (
    builtins,
    code_options,
    databases,
    editors,
    elsewhere,
    filters,
    git,
    languages,
    launchers,
    runners,
    sessions,
    shells,
    text_programs,
    wrappers,
)
from bastion.policy.context import Call, Handler

_TABLES = (
    shells.handler,
    wrappers.handler,
    launchers.handler,
    runners.handler,
    filters.handler,
    git.handler,
    sessions.handler,
    text_programs.handler,
    editors.handler,
    elsewhere.handler,
    code_options.handler,
    languages.handler,
    databases.handler,
)
_LOADER = re.compile(r"ld-(?:linux|musl)[\w.-]*\.so[\d.]*|ld\.so|ld-[\d.]+\.so")
_VERSION = re.compile(r"(?<=[a-z])-?\d[\d.]*\Z")


def base_name(name: str) -> str:
    """Return a program's base name without its version: `/usr/bin/python3.11` is `python`."""
    base = name.rsplit("/", 1)[-1]
    return _VERSION.sub("", base) or base


def handler(call: Call) -> Handler | None:
    """Return what follows the program (or builtin) of a call, else None; the call learns the name it is known by."""
    name = call.argv[0].text or ""
    base = name.rsplit("/", 1)[-1]
    builtin = builtins.handler(base, call.in_shell and "/" not in name)
    if builtin is not None:
        return builtin
    for candidate in dict.fromkeys(("ld.so" if _LOADER.fullmatch(base) else base, base_name(name))):
        for table in _TABLES:
            found = table(candidate)
            if found is not None:
                call.program = candidate
                return found
    return None
