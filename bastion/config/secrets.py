"""Reads the secrets that bastion.toml names, from files of mode 0600 or the environment; they never stand in it.

No message repeats a secret; of what stands where a secret may have been written by mistake, only paths are shown.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

import asyncssh

from bastion.config.schema import Secret
from bastion.config.table import Table
from bastion.config.values import BadValueError, quoted, text

_LARGEST = 64 * 1024  # bytes; a key of RSA 16384 is 13 KiB
_CONVENTIONAL = re.compile(r"[A-Z][A-Z0-9_]*")


def resolve(folder: Path, value: object) -> Path:
    """Read a path: relative to the configuration file's folder, made absolute and normal."""
    name = text(value)
    if name.startswith("~"):
        raise BadValueError("~ is not expanded here; write the whole path")
    return Path(os.path.normpath(folder / name))


class SecretReader:
    """Reads secrets for one configuration file that lies in `folder`, with the environment `environ`."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ

    def take(self, table: Table, name: str) -> Secret | None:
        """Return the secret `name` of a table, named by `NAME_file` or `NAME_env`; None where neither stands there."""
        by_file, by_env = f"{name}_file", f"{name}_env"
        table.forbid(
            name,
            f"a secret does not belong in this file; put it in a file of mode 0600 named in {by_file}, "
            f"or in an environment variable named in {by_env}",
        )
        if by_file in table and by_env in table:
            table.error(by_env, f"stands beside {by_file}; keep one of both")
        from_file = table.take(by_file, self._from_file, None)
        from_env = table.take(by_env, self._from_env, None)
        return from_file or from_env

    def _from_env(self, value: object) -> Secret:
        name = text(value)
        # A name against the custom may be the secret itself, written in the wrong place.
        shown = (
            f"environment variable {name}" if _CONVENTIONAL.fullmatch(name) else "the environment variable named here"
        )
        if not self._environ.get(name):
            raise BadValueError(f"{shown} is not set")
        return Secret(self._environ[name])

    def _from_file(self, value: object) -> Secret:
        path = resolve(self._folder, value)
        try:
            content = _read_private(path)
        except OSError as error:
            raise BadValueError(f"cannot read {_shown(path)}: {(error.strerror or 'error').lower()}") from None
        try:
            secret = content.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise BadValueError(f"{_shown(path)} is not utf-8 text") from None
        if not secret:
            raise BadValueError(f"{_shown(path)} is empty")
        return Secret(secret)


def _shown(path: Path) -> str:
    return quoted(str(path), longest=1000)


def _read_private(path: Path) -> bytes:
    """Return a file's content; BadValueError unless it is a plain file that its owner alone may read."""
    # Without O_NONBLOCK a named pipe would hold the start for ever.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadValueError(f"{_shown(path)} is not a file")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise BadValueError(f"{_shown(path)} is open to others (mode {mode:04o}); chmod it to 600")
        if status.st_size > _LARGEST:
            raise BadValueError(f"{_shown(path)} is larger than {_LARGEST // 1024} kib")
        return os.read(descriptor, _LARGEST)
    finally:
        os.close(descriptor)


def check_private_key(secret: Secret) -> None:
    """Raise BadValueError unless the secret is a private key that can be used without a passphrase."""
    try:
        asyncssh.import_private_key(secret.reveal() + "\n")
    except ValueError:  # the base of asyncssh's own and of those its parsers let through
        hint = "holds no private key, or one with a passphrase, which nobody could type at start"
        raise BadValueError(hint) from None
