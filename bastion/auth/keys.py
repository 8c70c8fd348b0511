"""The bastion's own four keys, in the folder `server.host_keys`: created once, read at every start, never changed.

A folder that holds none of them gets all four (the first start). A folder that holds some but not others is not
completed silently, since a lost CA has to come back from the backup or be replaced on purpose: `bastion init` passes
`complete=True`. Keys are Ed25519 in OpenSSH's format without passphrase, mode 0600 from the first byte; each appears
under its name complete or not at all, and is never overwritten, whichever processes start at the same time.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from bastion.errors import ConfigError

KEY_NAMES = ("ssh_host_ed25519_key", "host_ca", "user_ca", "target_ca")
_MAX_FILE = 64 * 1024
MASKING_KEY = "masking_key"
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """Private keys of this bastion; what each is for stands in hostkeys/README.md."""

    host_key: asyncssh.SSHKey
    host_ca: asyncssh.SSHKey
    user_ca: asyncssh.SSHKey
    target_ca: asyncssh.SSHKey


def load_or_create(folder: Path, *, complete: bool = False) -> ServerKeys:
    """Read the four keys, creating them at the first start, or raise ConfigError naming the file and what to do.

    With `complete`, keys missing from a folder that holds others are created as well. A missing `.pub` is written
    again; one that belongs to another key is an error. Blocks while another process creates the keys.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_folder(folder)
        if _missing(folder) or any(not _exists(folder / f"{name}.pub") for name in KEY_NAMES):
            with _locked(folder):
                _create(folder, complete=complete)
        keys = [_load(folder / name) for name in KEY_NAMES]
    except OSError as error:
        raise ConfigError(f"{error.filename or folder}: {(error.strerror or 'cannot be used').lower()}") from None
    for index, key in enumerate(keys):
        if key.public_data in [other.public_data for other in keys[:index]]:
            raise ConfigError(
                f"{folder / KEY_NAMES[index]}: is the same key as another one there; each must be its own"
            )
    return ServerKeys(*keys)


def load_or_create_masking_key(folder: Path) -> bytes:
    """Return the secret that pseudonyms are made with, 32 bytes; created at the first start, kept from then on.

    Lost, the pseudonyms of the same values change; known, short values behind them can be guessed. Raises ConfigError.
    """
    path = folder / MASKING_KEY
    try:
        if not _exists(path):
            with _locked(folder), suppress(FileExistsError):
                _publish(path, secrets.token_hex(32).encode() + b"\n", 0o600)
        content = _read(path, forbidden=0o077, advice="chmod 600")
        key = bytes.fromhex(content.decode("ascii").strip())
    except OSError as error:
        raise ConfigError(f"{error.filename or path}: {(error.strerror or 'cannot be used').lower()}") from None
    except ValueError:
        raise ConfigError(f"{path}: is no masking key; restore it from the backup") from None
    if len(key) != 32:
        raise ConfigError(f"{path}: is no masking key of 32 bytes; restore it from the backup")
    return key


def _create(folder: Path, *, complete: bool) -> None:
    """Create what is missing; the folder is locked."""
    missing = _missing(folder)
    if missing and len(missing) < len(KEY_NAMES) and not complete:
        raise ConfigError(
            f"{folder / missing[0]}: is missing while other keys are there; restore it from the backup, "
            "or run: bastion init to make a new one (what the old one signed stops working)"
        )
    for name in missing:
        key = asyncssh.generate_private_key("ssh-ed25519", comment=f"ssh-bastion {name}")
        _publish(folder / name, key.export_private_key("openssh"), 0o600)
    for name in KEY_NAMES:
        public = folder / f"{name}.pub"
        if not _exists(public):
            _publish(public, _private(folder / name).export_public_key("openssh"), 0o644)


def _publish(path: Path, content: bytes, mode: int) -> None:
    """Make a complete file appear under `path`, which must not exist yet."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it never replaces a file
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # given back by the kernel, however this process ends
        yield
    finally:
        os.close(descriptor)


def _load(path: Path) -> asyncssh.SSHKey:
    key = _private(path)
    public = path.with_name(f"{path.name}.pub")
    if _public_data(public) != key.public_data:
        raise ConfigError(
            f"{public}: does not belong to {path.name}; if {path.name} is the right key, remove {public.name}, "
            "it is written again"
        )
    return key


def _private(path: Path) -> asyncssh.SSHKey:
    content = _read(path, forbidden=0o177, advice="chmod 600")
    try:
        key = asyncssh.import_private_key(content)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
        raise ConfigError(
            f"{path}: is no private key, or has a passphrase; restore it from the backup, "
            f"or run: ssh-keygen -p -f {path}"
        ) from None
    if key.get_algorithm() != "ssh-ed25519":
        raise ConfigError(f"{path}: is of type {key.get_algorithm()}; an ssh-ed25519 key is needed")
    return key


def _public_data(path: Path) -> bytes | None:
    try:
        return asyncssh.import_public_key(_read(path, forbidden=0o022, advice="chmod 644")).public_data
    except (asyncssh.KeyImportError, ValueError):
        return None


def _read(path: Path, *, forbidden: int, advice: str) -> bytes:
    """Return the content of a regular file of ours that has none of the `forbidden` mode bits."""
    if path.is_symlink():
        raise ConfigError(f"{path}: is a symbolic link; put the file itself there")
    # O_NONBLOCK: a FIFO in its place must not hang the start.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path}: is not a regular file")
        _check_owner(path, status)
        if status.st_mode & forbidden:
            raise ConfigError(f"{path}: mode is {stat.S_IMODE(status.st_mode):04o}; run: {advice} {path}")
        content = file.read(_MAX_FILE + 1)
    if len(content) > _MAX_FILE:
        raise ConfigError(f"{path}: is longer than {_MAX_FILE} bytes, so it is no key")
    return content


def _check_folder(folder: Path) -> None:
    status = folder.stat()
    _check_owner(folder, status)
    if status.st_mode & 0o022:  # whoever may write here could put their own CA in the place of ours
        raise ConfigError(f"{folder}: mode is {stat.S_IMODE(status.st_mode):04o}; run: chmod 700 {folder}")


def _check_owner(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        raise ConfigError(
            f"{path}: belongs to user {status.st_uid}, not to {os.geteuid()}; run: chown {os.geteuid()} {path}"
        )


def _missing(folder: Path) -> list[str]:
    return [name for name in KEY_NAMES if not _exists(folder / name)]


def _exists(path: Path) -> bool:
    return os.path.lexists(path)  # a dangling link is there too, and is refused rather than replaced
