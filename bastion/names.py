"""Which texts may be the name of a target, a login, a role, a rule or an issuer.

Names travel into certificates, log lines, file names and the command lines of ssh clients, so each kind has a narrow
allow-list: no control characters, no shell metacharacters, no leading `-`, and neither `%` nor `@`, which separate
login, target and host in what users type. No behaviour beyond yes and no.
"""

import re

_TARGET = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_PATTERN = re.compile(r"[a-z0-9*?][a-z0-9._*?-]{0,99}")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def is_target_name(text: str) -> bool:
    """Return whether the text may name a target: lower-case letters, digits, `.`, `_` and `-`, at most 100."""
    return _TARGET.fullmatch(text) is not None


def is_target_pattern(text: str) -> bool:
    """Return whether the text may name a pattern of targets: as a target's name, with `*` and `?` in it."""
    return _PATTERN.fullmatch(text) is not None and ("*" in text or "?" in text)


def is_host_name(text: str) -> bool:
    """Return whether the text can only be looked up as a host's name: no spelling of an address, not this machine."""
    labels = text.split(".")
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    # Resolvers take a last label that is a number for an address: 127.1, 2130706433, 0x7f000001.
    return not _NUMBER.fullmatch(labels[-1]) and labels[-1].lower() != "localhost"


def is_login(text: str) -> bool:
    """Return whether the text may be a login on a target: ASCII letters, digits, `_`, `.`, `+` and `-`, at most 64."""
    return _LOGIN.fullmatch(text) is not None


def is_plain_name(text: str) -> bool:
    """Return whether the text may name a role, a rule or an issuer: ASCII letters, digits, `.`, `_` and `-`."""
    return _PLAIN.fullmatch(text) is not None
