"""`make demo` itself: the story comes true, and Ctrl-C leaves nothing behind."""

import os
import pwd
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.lab.process import Server, accepts

ROOT = Path(__file__).parents[2]
# Lines that the demo prints to be tried, and what they show
TRIED = {
    "the same from the command line": "shop-2.1",
    "without ProxyJump": "17,Jane,[EMAIL],Leeds",
    "the data protection officer sees it in clear": "17,Jane,jane.doe@example.com,Leeds",
    "recordings": "customers",
    "the journal": "approval.decided",
    "what the rules say of a command": "wipe",
    "what else there is": "approvals",
}


def test_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.demo", str(tmp_path / "demo")]
    env = {**os.environ, "ONCE": "1"}
    done = subprocess.run(command, check=False, cwd=ROOT, env=env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout, "plain when piped"
    assert "Every step did what it says." in done.stdout


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.demo", str(tmp_path / "demo")]
    with Server("demo", command, tmp_path / "log", cwd=ROOT, env={"ONCE": ""}) as demo:
        demo.wait_for_line("Ctrl-C ends it", timeout=90)
        ports = {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", demo.output())}
        assert any(accepts(port) for port in ports)
        lines = dict(re.findall(r"^ +# (.*)\n +(\S.*)$", demo.output(), re.MULTILINE))
        for what, shown in TRIED.items():
            done = subprocess.run(
                ["sh", "-c", lines[what]], check=False, cwd=ROOT, capture_output=True, text=True, timeout=60
            )
            assert (done.returncode, shown in done.stdout) == (0, True), f"{what}: {done}"
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(30) == 0
        assert not [port for port in ports if accepts(port)]
    if os.geteuid() == 0:
        assert not [entry.pw_name for entry in pwd.getpwall() if str(tmp_path) in entry.pw_dir]
