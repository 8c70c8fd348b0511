"""The server's keys: created once, safely, and refused with advice when something is wrong with them."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest

from bastion.auth.keys import KEY_NAMES, load_or_create, load_or_create_masking_key
from bastion.errors import ConfigError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder that holds the four keys."""
    load_or_create(tmp_path / "hostkeys")
    return tmp_path / "hostkeys"


def refusal(folder: Path) -> str:
    """Return the one line of a refusal."""
    with pytest.raises(ConfigError) as caught:
        load_or_create(folder)
    assert "\n" not in str(caught.value)
    assert "PRIVATE" not in caught.value.log
    return str(caught.value)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_first_start_creates_four_different_keys(tmp_path: Path) -> None:
    old = os.umask(0)  # the widest: modes must not depend on it
    try:
        made = load_or_create(tmp_path / "a" / "hostkeys")
    finally:
        os.umask(old)
    folder = tmp_path / "a" / "hostkeys"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    expected = dict.fromkeys((*KEY_NAMES, ".lock"), 0o600) | {f"{name}.pub": 0o644 for name in KEY_NAMES}
    assert modes == expected
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len({made.host_key.public_data, made.host_ca.public_data, made.user_ca.public_data}) == 3
    assert made.target_ca.get_algorithm() == "ssh-ed25519"


def test_later_starts_read_the_same_keys(folder: Path) -> None:
    before = contents(folder)
    again = load_or_create(folder)
    assert contents(folder) == before
    assert again.user_ca.export_public_key() == before["user_ca.pub"]


def test_stock_tools_read_the_keys(folder: Path) -> None:
    for name in KEY_NAMES:
        shown = subprocess.run(["ssh-keygen", "-y", "-f", folder / name], capture_output=True, check=True).stdout
        assert shown.split()[:2] == (folder / f"{name}.pub").read_bytes().split()[:2]


def test_cve_2022_24302_private_keys_are_never_readable_by_others_even_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: dict[str, tuple[int, int]] = {}
    really = os.open

    def spy(path: Path, flags: int, mode: int = 0o777) -> int:
        opened[Path(path).name] = (flags, mode)
        return really(path, flags, mode)

    monkeypatch.setattr(os, "open", spy)
    load_or_create(tmp_path / "hostkeys")
    drafts = {name: seen for name, seen in opened.items() if seen[0] & os.O_CREAT and name != ".lock"}
    assert len(drafts) == 8
    assert all(flags & os.O_EXCL and mode == 0o600 for flags, mode in drafts.values())


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from bastion.auth.keys import load_or_create;"
        "sys.stdin.read(1); print(load_or_create(Path(sys.argv[1])).user_ca.get_fingerprint())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "hostkeys")]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True) for _ in range(4)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("x")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in running}
    assert len(answers) == 1
    assert answers.pop().startswith("SHA256:")
    assert sorted(path.name for path in (tmp_path / "hostkeys").iterdir()) == sorted(
        [".lock", *KEY_NAMES, *(f"{name}.pub" for name in KEY_NAMES)]
    )


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "no space left on device" in refusal(tmp_path / "hostkeys")
    assert [path.name for path in (tmp_path / "hostkeys").iterdir()] == [".lock"]


def test_a_missing_key_is_not_replaced_unless_asked_for(folder: Path) -> None:
    before = contents(folder)
    (folder / "user_ca").unlink()
    (folder / "user_ca.pub").unlink()
    message = refusal(folder)
    assert message.startswith(f"{folder}/user_ca: is missing while other keys are there; restore it")
    assert not (folder / "user_ca").exists()
    made = load_or_create(folder, complete=True)
    assert made.user_ca.export_public_key() != before["user_ca.pub"]
    assert contents(folder)["host_ca"] == before["host_ca"]


def test_a_missing_key_whose_public_half_is_left_is_an_error_even_when_completed(folder: Path) -> None:
    (folder / "user_ca").unlink()
    with pytest.raises(ConfigError, match=r"user_ca\.pub: does not belong to user_ca"):
        load_or_create(folder, complete=True)


def test_a_missing_public_half_is_written_again(folder: Path) -> None:
    before = contents(folder)
    (folder / "host_ca.pub").unlink()
    load_or_create(folder)
    assert contents(folder) == before


def chmod(name: str, mode: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).chmod(mode)


def write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def link(folder: Path) -> None:
    (folder / "user_ca").rename(folder / "elsewhere")
    (folder / "user_ca").symlink_to(folder / "elsewhere")


def dangle(folder: Path) -> None:
    (folder / "user_ca").unlink()
    (folder / "user_ca").symlink_to(folder / "nowhere")


def pipe(folder: Path) -> None:
    (folder / "user_ca").unlink()
    os.mkfifo(folder / "user_ca", 0o600)


def repeat(folder: Path) -> None:
    for end in ("", ".pub"):
        (folder / f"target_ca{end}").write_bytes((folder / f"user_ca{end}").read_bytes())


def protect(folder: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-p", "-N", "secret", "-f", folder / "user_ca"], check=True, capture_output=True
    )


def make_ecdsa(folder: Path) -> None:
    (folder / "user_ca").write_bytes(asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_private_key())


def swap_public(folder: Path) -> None:
    (folder / "user_ca.pub").write_bytes((folder / "host_ca.pub").read_bytes())


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (chmod("user_ca", 0o644), "{}/user_ca: mode is 0644; run: chmod 600 {}/user_ca"),
        (chmod("host_ca", 0o640), "{}/host_ca: mode is 0640; run: chmod 600"),
        (chmod("target_ca", 0o700), "{}/target_ca: mode is 0700; run: chmod 600"),
        (chmod("user_ca.pub", 0o666), "{}/user_ca.pub: mode is 0666; run: chmod 644"),
        (chmod(".", 0o777), "{}: mode is 0777; run: chmod 700 {}"),
        (chmod(".", 0o770), "{}: mode is 0770; run: chmod 700"),
        (link, "{}/user_ca: is a symbolic link"),
        (dangle, "{}/user_ca: is a symbolic link"),
        (pipe, "{}/user_ca: is not a regular file"),
        (write("user_ca", b""), "{}/user_ca: is no private key, or has a passphrase; restore it"),
        (write("user_ca", b"\xff\x00garbage"), "{}/user_ca: is no private key"),
        (write("user_ca", b"x" * 70_000), "{}/user_ca: is longer than"),
        (write("user_ca.pub", b"garbage"), "{}/user_ca.pub: does not belong to user_ca; if user_ca is the right key"),
        (swap_public, "{}/user_ca.pub: does not belong to user_ca"),
        (
            protect,
            "{}/user_ca: is no private key, or has a passphrase; restore it from the backup, or run: ssh-keygen -p",
        ),
        (make_ecdsa, "{}/user_ca: is of type ecdsa-sha2-nistp256; an ssh-ed25519 key is needed"),
        (repeat, "{}/target_ca: is the same key as another one there"),
    ],
)
def test_refused(folder: Path, spoil: Callable[[Path], object], expected: str) -> None:
    spoil(folder)
    before = sorted(folder.iterdir())
    assert refusal(folder).startswith(expected.format(folder, folder))
    assert sorted(folder.iterdir()) == before


def test_a_cut_key_is_refused(folder: Path) -> None:
    whole = (folder / "user_ca").read_bytes()
    for length in range(0, len(whole) - 40, 25):
        (folder / "user_ca").write_bytes(whole[:length])
        assert refusal(folder).startswith(f"{folder}/user_ca: is no private key")


def test_keys_of_somebody_else_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert refusal(folder) == f"{folder}: belongs to user {owner}, not to {owner + 1}; run: chown {owner + 1} {folder}"


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "hostkeys").write_text("")
    assert refusal(tmp_path / "hostkeys") == f"{tmp_path}/hostkeys: file exists"


def test_a_key_readable_by_the_owner_alone_is_enough(folder: Path) -> None:
    (folder / "user_ca").chmod(0o400)
    assert load_or_create(folder).user_ca


def test_the_masking_key_is_made_once_and_for_the_owner_alone(tmp_path: Path) -> None:
    first = load_or_create_masking_key(tmp_path)
    assert len(first) == 32
    assert load_or_create_masking_key(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "masking_key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (b"00" * 32, 0o644, "mode is 0644; run: chmod 600"),
        (b"xyz", 0o600, "is no masking key; restore"),
        (b"00ff", 0o600, "is no masking key of 32 bytes"),
    ],
)
def test_a_masking_key_that_is_none_stops_the_start(tmp_path: Path, content: bytes, mode: int, says: str) -> None:
    path = tmp_path / "masking_key"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(ConfigError, match=says):
        load_or_create_masking_key(tmp_path)
