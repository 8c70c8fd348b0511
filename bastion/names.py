"""Which texts may be the name of a target, a login, a role, a rule or an issuer.

Names travel into certificates, log lines, file names and the command lines of ssh clients, so each kind has a narrow
allow-list: no control characters, no shell metacharacters, no leading `-`, and neither `%` nor `@`, which separate
login, target and host in what users type. No behaviour beyond yes and no.
"""

import re

_TARGET = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,63}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def is_target_name(text: str) -> bool:
    """Return whether the text may name a target: lower-case letters, digits, `.`, `_` and `-`, at most 100."""
    return _TARGET.fullmatch(text) is not None


def is_login(text: str) -> bool:
    """Return whether the text may be a login on a target: ASCII letters, digits, `_`, `.`, `+` and `-`, at most 64."""
    return _LOGIN.fullmatch(text) is not None


def is_plain_name(text: str) -> bool:
    """Return whether the text may name a role, a rule or an issuer: ASCII letters, digits, `.`, `_` and `-`."""
    return _PLAIN.fullmatch(text) is not None
