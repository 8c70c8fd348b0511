"""The command that starts a hooked shell: the same to any login shell, and harmless where no hook can be."""

import os
import subprocess
from pathlib import Path

import pytest

from bastion.shellhook.boot import boot_command


def test_it_is_one_plain_line() -> None:
    command = boot_command("5f0c")
    assert b"\n" not in command
    assert command.count(b"'") == 2
    assert b"!" not in command
    assert len(command) < 9000, "dropbear takes no longer one"


@pytest.mark.parametrize("login_shell", ["bash", "zsh", "dash"])
@pytest.mark.parametrize("tool", ["base64", "gzip", "both"])
def test_a_shell_without_a_hook_starts_as_a_login_shell(tmp_path: Path, login_shell: str, tool: str) -> None:
    shell = tmp_path / "odd"
    shell.write_text('#!/bin/sh\necho "odd: $*"\n', encoding="utf-8")
    shell.chmod(0o755)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("cat", *(("base64", "gzip") if tool == "both" else (tool,))):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    done = subprocess.run(
        [f"/bin/{login_shell}", "-c", boot_command("5f0c").decode()],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": str(tools), "SHELL": str(shell), "HOME": os.devnull},
    )
    assert done.stdout.endswith(b"odd: -l\n")


def test_zsh_leaves_no_file(tmp_path: Path) -> None:
    before = set(Path("/dev/shm").glob(".bastion.*"))
    (tmp_path / ".zshenv").write_text("echo own start-up\n", encoding="utf-8")
    done = subprocess.run(
        ["/bin/sh", "-c", boot_command("5f0c").decode()],
        capture_output=True,
        check=True,
        input=b'echo "ZDOTDIR=${ZDOTDIR-unset} $__bastion_zdotdir"\n',
        env={"PATH": "/usr/bin:/bin", "SHELL": "/bin/zsh", "HOME": str(tmp_path)},
    )
    assert b"own start-up" in done.stdout
    assert b"ZDOTDIR=unset \n" in done.stdout
    assert set(Path("/dev/shm").glob(".bastion.*")) <= before
