"""Readers of single values in bastion.toml: each takes what the TOML parser made and returns what the program uses.

A value that cannot be used raises `BadValueError`, whose text says what it must be, never where it stands (the caller
knows) and never what it holds, apart from names. No file and no environment is read here.
"""

import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

import asyncssh
import re2

from bastion import environment
from bastion.config.schema import Address, Selector
from bastion.names import is_login, is_plain_name, is_target_name, is_target_pattern
from bastion.policy.patterns import PatternError, compile_pattern

Word = TypeVar("Word", bound=StrEnum)

_SHOWN = 60  # characters of a value repeated in a message
_COMPARED = 100  # characters compared when looking for a similar name; difflib is quadratic
_LONGEST = timedelta(days=365 * 100)
_UNITS = {"y": 365 * 86400, "w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_SCOPE = re.compile(r"[A-Za-z0-9]+")
_PATTERN = re.compile(r"[a-z0-9._*?\[\]!-]{1,100}")
_COLUMN = re.compile(r"[^\s.]+(?:\.[^\s.]+)+")
_QUOTED = re.compile(r"""'[^']*'|"(?:\\.|[^"\\])*"|\\.""")
_SHELL_OPERATORS = frozenset({"&&", "||", ";", "&", "|&"})
_NOUNS = {
    bool: "a boolean",
    int: "a number",
    float: "a number with a fraction",
    str: "text",
    list: "a list",
    dict: "a table",
}


class BadValueError(Exception):
    """A value that cannot be used; the text completes the line that starts with its path."""


def quoted(text: str, longest: int = _SHOWN) -> str:
    """Return the text in double quotes on one line: invisible characters escaped, the end of a long text cut."""
    shown = text if len(text) <= longest else text[:longest] + "..."
    return json.dumps(shown, ensure_ascii=not shown.isprintable()).replace("\x7f", "\\u007f")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "x"?` for the known word most like this one, or nothing."""
    near = difflib.get_close_matches(word[:_COMPARED].lower(), list(known), n=1)
    return f"; did you mean {quoted(near[0])}?" if near else ""


def noun(value: object) -> str:
    """Return what a TOML value is, in words: "text", "a list"."""
    return _NOUNS.get(type(value), "a date")


def text(value: object, hint: str = "") -> str:
    """Read a text that is not empty and shows on one line; the hint says what to write where it is empty."""
    if not isinstance(value, str):
        raise BadValueError(f"must be text, not {noun(value)}")
    if not value.strip():
        raise BadValueError(f"must not be empty{hint and f'; {hint}'}")
    if not value.isprintable():
        raise BadValueError("must be one line without control or invisible characters")
    return value


def group(value: object) -> str:
    """Read a group's name, as the issuer spells it."""
    name = text(value)
    if name == "*":
        raise BadValueError('groups are exact names and "*" is nobody\'s; name each group')
    if name != name.strip():
        raise BadValueError(f"{quoted(name)} has spaces at its ends")
    return name


def boolean(value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise BadValueError(f"must be true or false, not {noun(value)}")
    return value


def integer(low: int, high: int) -> Callable[[object], int]:
    """Return a reader of whole numbers between low and high, both included."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise BadValueError(f"must be a whole number, not {noun(value)}")
        if not low <= value <= high:
            raise BadValueError(f"must be between {low} and {high}")
        return value

    return read


def word(known: Iterable[str]) -> Callable[[object], str]:
    """Return a reader of one of the known words."""
    words = tuple(known)

    def read(value: object) -> str:
        found = text(value)
        if found not in words:
            choice = ", ".join(words)
            raise BadValueError(f"{quoted(found)} is not known{suggestion(found, words) or f'; use one of {choice}'}")
        return found

    return read


def member(kinds: type[Word]) -> Callable[[object], Word]:
    """Return a reader of one member of an enum, by its value."""
    read = word(kind.value for kind in kinds)
    return lambda value: kinds(read(value))


def duration(value: object) -> timedelta:
    """Read a duration above zero such as "8h", "15m", "90d", "6y" or "1h30m"; a year has 365 days."""
    if not isinstance(value, str):
        raise BadValueError(f'must be text with a unit, as in "8h" or "90d", not {noun(value)}')
    parts = re.findall(r"([0-9]{1,9})([ywdhms])", value)
    units = [unit for _, unit in parts]
    if "".join(number + unit for number, unit in parts) != value or not parts:
        raise BadValueError(f'{quoted(value)} is not a duration; write it as in "30s", "15m", "1h30m", "90d" or "6y"')
    if units != sorted(set(units), key=list(_UNITS).index):
        raise BadValueError(f"{quoted(value)} must name each unit once, the largest first")
    seconds = sum(int(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise BadValueError("must be above zero and at most 100 years")
    return timedelta(seconds=seconds)


def target_name(value: object) -> str:
    """Read a target's name."""
    name = text(value)
    if not is_target_name(name):
        raise BadValueError(
            f"{quoted(name)} cannot name a target: use a-z, 0-9, '.', '_' and '-', a letter or digit first"
        )
    return name


def target_or_pattern(value: object) -> str:
    """Read a target's name, or a glob that stands for many names."""
    return text(value) if isinstance(value, str) and is_target_pattern(value) else target_name(value)


def plain_name(value: object) -> str:
    """Read the name of a role, a rule or an issuer."""
    name = text(value)
    if not is_plain_name(name):
        raise BadValueError(
            f"{quoted(name)} cannot be a name: use letters, digits, '.', '_' and '-', a letter or digit first"
        )
    return name


def login(value: object) -> str:
    """Read a login on targets, or `*` for any."""
    name = text(value)
    if name != "*" and not is_login(name):
        raise BadValueError(
            f"{quoted(name)} cannot be a login: use letters, digits, '_', '.', '+' and '-', or \"*\" for any"
        )
    return name


def env_pattern(value: object) -> str:
    """Read a glob of names of environment variables, none of which decides what runs on the target."""
    pattern = text(value)
    if not environment.is_pattern(pattern):
        raise BadValueError(f"{quoted(pattern)} cannot match a variable's name: those hold letters, digits and '_'")
    if environment.is_never(pattern):
        raise BadValueError(f"{quoted(pattern)} never passes: it would decide what runs on the target; leave it out")
    return pattern


def host(value: object) -> str:
    """Read a host's name or IP address; an IPv6 address stands without brackets."""
    name = text(value)
    if ":" in name:
        return _ipv6(name)
    if re.fullmatch(r"[0-9.]+", name):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise BadValueError(f"{quoted(name)} is not an ip address") from None
    if not _HOST.fullmatch(name) or ".." in name:
        raise BadValueError(f"{quoted(name)} is not a host name")
    return name


def _ipv6(name: str) -> str:
    try:
        found = ipaddress.IPv6Address(name)
    except ValueError:
        raise BadValueError(f"{quoted(name)} is not an ip address") from None
    if found.scope_id is not None and not _SCOPE.fullmatch(found.scope_id):
        raise BadValueError(f"{quoted(name)} has a zone that is not plain letters and digits")
    return str(found)


def address(default_port: int, lowest_port: int = 1) -> Callable[[object], Address]:
    """Return a reader of "host:port", "host" and "[::1]:port"; lowest_port 0 allows "any free port"."""

    def read(value: object) -> Address:
        whole = text(value, 'write "host:port"')
        if "://" in whole:
            raise BadValueError(f'{quoted(whole)} is a url; write "host:port"')
        if "@" in whole:
            raise BadValueError('write "host:port" without a login; roles name the logins')
        name, port = _split_port(whole)
        if port is None:
            return Address(host(name), default_port)
        if not re.fullmatch(r"[0-9]{1,5}", port) or not lowest_port <= int(port) <= 65535:
            raise BadValueError(f"{quoted(port)} is not a port between {lowest_port} and 65535")
        return Address(host(name), int(port))

    return read


def _split_port(whole: str) -> tuple[str, str | None]:
    if whole.startswith("["):
        name, bracket, rest = whole[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")) or ":" not in name:
            raise BadValueError(f'{quoted(whole)} is not an address; write "host:port" or "[::1]:port"')
        return name, rest[1:] if rest else None
    if whole.count(":") > 1:
        raise BadValueError(f'{quoted(whole)} must have brackets around the ipv6 address, as in "[::1]:22"')
    name, colon, port = whole.partition(":")
    if not name:
        raise BadValueError(f'{quoted(whole)} names no host; write "host:port"')
    return name, port if colon else None


def is_loopback(name: str) -> bool:
    """Return whether a host is this machine by its very name: localhost, 127.0.0.0/8 or ::1."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def issuer_url(value: object) -> str:
    """Read an issuer's URL: https, or http on a loopback host. The slash at its end is left out."""
    url = text(value, 'write the provider\'s issuer, as in "https://idp.example.com"').rstrip("/")
    discovery = "/.well-known/openid-configuration"
    if url.endswith(discovery):
        raise BadValueError(f"is the discovery document; write the issuer: {quoted(url.removesuffix(discovery))}")
    try:
        parts = urlsplit(url)
        name = parts.hostname or ""
        host(name)
        _ = parts.port
    except (ValueError, BadValueError):
        raise BadValueError('is not a url such as "https://idp.example.com"') from None
    if parts.username is not None or parts.query or parts.fragment:
        raise BadValueError("must be a url without user, query and fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(name)):
        raise BadValueError(f"{quoted(url)} must be https; plain http is for loopback addresses alone")
    return url


def public_key(value: object) -> str:
    """Read an OpenSSH public key line (`type base64 [comment]`)."""
    how = 'paste "type base64", as "ssh-keyscan HOST" prints it after the host\'s name'
    line = text(value, how).strip()
    try:
        key = asyncssh.import_public_key(line)
    except asyncssh.KeyImportError:
        raise BadValueError(f"is not an openssh public key; {how}") from None
    if key.algorithm == b"ssh-dss":
        raise BadValueError("is a dsa key, which is too weak to be used; take another of the host's keys")
    return line


def selector(value: object) -> Selector:
    """Read what picks targets: a name or glob, or a table of labels."""
    if isinstance(value, dict):
        if not value:
            raise BadValueError('picks nothing; write labels, as in { env = "prod" }, or "*" for every target')
        return Selector(labels=tuple(sorted((label_key(key), label_value(value[key])) for key in value)))
    if not isinstance(value, str):
        raise BadValueError(f'must be a target\'s name or labels, as in {{ env = "prod" }}, not {noun(value)}')
    if not _PATTERN.fullmatch(text(value)):
        raise BadValueError(f"{quoted(value)} cannot match a target's name: those hold a-z, 0-9, '.', '_' and '-'")
    return Selector(name=value)


def is_glob(pattern: str) -> bool:
    """Return whether a name holds characters of a glob."""
    return any(character in pattern for character in "*?[")


def label_key(key: str) -> str:
    """Read the name of a label."""
    if not is_plain_name(key):
        raise BadValueError(f"{quoted(key)} cannot name a label: use letters, digits, '.', '_' and '-'")
    return key


def label_value(value: object) -> str:
    """Read the value of a label."""
    if not isinstance(value, str):
        raise BadValueError(f"a label's value must be text in quotes, not {noun(value)}")
    return text(value)


def command_pattern(value: object) -> str:
    """Read a command pattern: words with quotes, patterns of a pipeline joined by `|`."""
    pattern = text(value)
    try:
        compile_pattern(pattern)
    except PatternError as error:
        raise BadValueError(f"{quoted(pattern)} {error}") from None
    operators = _SHELL_OPERATORS.intersection(_QUOTED.sub("_", pattern).split())
    if operators:
        raise BadValueError(
            f'{quoted(pattern)} holds "{min(operators)}": a pattern is one command; write one pattern for each'
        )
    return pattern


def path_pattern(value: object) -> str:
    """Read a glob of files on a target: absolute, or with a star in front."""
    pattern = text(value)
    if not pattern.startswith(("/", "*")):
        raise BadValueError(f'{quoted(pattern)} must begin with / or *, as in "/etc/**" or "**/.ssh/**"')
    return pattern


def regex(value: object) -> str:
    """Read a regular expression that RE2 can run in linear time."""
    pattern = text(value)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if error.args else "it cannot be compiled"
        raise BadValueError(f"{quoted(pattern)} is not a linear-time regex (re2): {reason}") from None
    return pattern


def column(value: object) -> str:
    """Read a column's pattern: `table.column` or `schema.table.column`, each part a glob."""
    pattern = text(value)
    if not _COLUMN.fullmatch(pattern):
        raise BadValueError(f'{quoted(pattern)} must name table and column, as in "users.name" or "*.birth_date"')
    return pattern
