"""Reads bastion.toml whole: a `Config`, or one ConfigError that holds every finding.

Used by `serve`, `check`, `policy explain` and at each reload. Reading a file never changes anything, so a bad reload
leaves what runs as it was. What a command pattern means, and whether hosts answer, is not checked here.
"""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bastion.config.checks import check
from bastion.config.masking import check_choices, read_masking
from bastion.config.notify import read_notifiers
from bastion.config.rules import read_roles, read_rules
from bastion.config.schema import Config
from bastion.config.secrets import SecretReader
from bastion.config.sections import (
    read_certificates,
    read_issuers,
    read_retention,
    read_server,
    read_store,
)
from bastion.config.table import Findings, Table
from bastion.config.targets import read_targets
from bastion.errors import ConfigError
from bastion.instances import with_patterns

_LARGEST = 4 * 1024 * 1024  # bytes; some 20,000 targets


def load(path: Path, environ: Mapping[str, str]) -> Config:
    """Read and check a configuration file; secrets come from the files and the variables of `environ` it names.

    Raises ConfigError with one line for each finding, each with the file's name and the key's path.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise ConfigError(f'{path}: no such file; write one with "bastion init"') from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {(error.strerror or 'error').lower()}") from None
    if len(content) > _LARGEST:
        raise ConfigError(f"{path}: is larger than {_LARGEST // 1024 // 1024} mib")
    mode = status.st_mode
    if mode & stat.S_IWOTH:
        raise ConfigError(f"{path}: can be changed by everybody (mode {stat.S_IMODE(mode):04o}); run: chmod o-w {path}")
    try:
        text = content.decode("utf-8-sig")  # some editors put a byte order mark first
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path.name}: line {line}: is not utf-8 text") from None
    return replace(parse(text, path, environ), stamp=(status.st_mtime_ns, status.st_ino))


def parse(text: str, path: Path, environ: Mapping[str, str]) -> Config:
    """Check a configuration's text as `load` does; paths in it are relative to the folder of `path`."""
    path = path.absolute()
    findings = Findings(path.name)
    root = Table(findings, "", _document(text, path.name))
    secrets = SecretReader(path.parent, environ)
    config = Config(
        path=path,
        server=read_server(root, path.parent),
        store=read_store(root, path.parent),
        certificates=read_certificates(root),
        issuers=read_issuers(root, secrets),
        targets=(targets := read_targets(root, secrets)),
        roles=read_roles(root, targets),
        rules=read_rules(root, targets),
        masking=read_masking(root, path.parent),
        retention=read_retention(root),
        notifiers=read_notifiers(root, secrets),
    )
    root.finish()
    check_choices(config, findings)
    if findings.errors:
        raise ConfigError("\n".join(findings.errors))
    config = with_patterns(config)
    check(config, findings)
    return replace(config, warnings=tuple(findings.warnings))


def _document(text: str, file: str) -> dict[str, object]:
    """Return the parsed TOML; ConfigError names line and column."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), re.DOTALL)
        message, line, column = found.groups() if found else (str(error), None, None)
        lines = text.rstrip("\n").split("\n")
        where = f"line {line or len(lines)}, column {column or len(lines[-1]) + 1}"
        raise ConfigError(f"{file}: {where}: {message[:1].lower()}{message[1:]}") from None
    except RecursionError:
        raise ConfigError(f"{file}: is nested too deeply") from None
    except ValueError:
        # A number of thousands of digits, or a date that no calendar has.
        raise ConfigError(f"{file}: holds a number or a date that is out of range") from None
