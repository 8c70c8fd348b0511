"""Personal data reaches nobody in clear, whatever stock program brings it: not the client, and no file that is kept.

The files lie on the target, so that no value stands in a command. Everything is run as people run it.
"""

import base64
import bz2
import gzip
import lzma
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import PROMPT, open_shell
from tests.lab.bastion import Bastion, World
from tests.lab.client import Client
from tests.lab.process import wait_until

PEOPLE = 40
MAILS = [f"person{number}@example.com" for number in range(PEOPLE)]
CARDS = ["4111 1111 1111 1111", "5500005555555559"]
IBANS = ["DE89370400440532013000", "GB29NWBK60161331926819"]
VALUES = [value.encode() for value in (*MAILS, *CARDS, *IBANS)]
TABLE = "id,mail,card,iban\n" + "".join(
    f"{number},{mail},{CARDS[number % 2]},{IBANS[number % 2]}\n" for number, mail in enumerate(MAILS)
)
MASKING = """
[masking]
style = "tag"
unmasked_groups = ["dpo"]
unmask = true
approvers = ["sre"]
"""
TARGETS = {
    "refusing": 'fullscreen = "refuse"',
    "dumb": 'fullscreen = "dumb"',
    "asking": 'fullscreen = "approve", encoded = "approve"',
    "starry": 'style = "fixed", detectors = ["email"], encoded = "pass"',
}


def config(world: World) -> str:
    whole = world.config()
    text = whole[: whole.index("[masking]")] + MASKING
    for name, masking in TARGETS.items():
        text += f"""
[targets.{name}]
protocol = "ssh"
address = "127.0.0.1:{world.target.port}"
labels = {{ env = "staging" }}
host_key = "{world.target.host_key}"
masking = {{ {masking} }}
"""
    return text


@pytest.fixture(scope="module")
def bastion(world: World) -> Iterator[Bastion]:
    folder = world.folder / "bastion-masked"
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")
    bastion = Bastion(folder, config(world))
    yield bastion
    bastion.stop()


@pytest.fixture(scope="module")
def signed_in(world: World, bastion: Bastion) -> dict[str, Client]:
    clients = {}
    for name in ("alice", "bob"):
        clients[name] = Client(world.folder / "masked" / name, bastion, name, world.login)
        clients[name].sign_in(world.people.token(name))
    return clients


@pytest.fixture(scope="module")
def eve(signed_in: dict[str, Client]) -> Client:
    """Somebody who sees nothing in clear."""
    return signed_in["alice"]


@pytest.fixture(scope="module")
def table(world: World) -> Iterator[Path]:
    path = world.scratch / "people.csv"
    path.write_text(TABLE, encoding="utf-8")
    path.chmod(0o644)
    yield path
    path.unlink()


def in_clear(data: bytes) -> list[bytes]:
    """Return the values in some output, as they are or between escapes."""
    seen = re.sub(rb"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9]|[=>])", b"", data)
    return [value for value in VALUES if value in data or value in seen]


def kept_in_clear(bastion: Bastion) -> list[Path]:
    kept = [bastion.server.log, *bastion.files()]
    assert any(path.suffix == ".cast" for path in kept)
    return [path for path in kept if in_clear(path.read_bytes())]


@pytest.mark.parametrize("terminal", ["-T", "-tt"])
@pytest.mark.parametrize(
    "command",
    [
        "cat {}",
        "dd if={} bs=1 2>/dev/null",
        "cat {} >&2",
        "grep --color=always example {}",
        "grep --color=always -E '[0-9]|@' {}",
        "sqlite3 :memory: '.mode box' '.import --csv {} t' 'select * from t'",
        "iconv -t UTF-16LE {}",
        "awk -F, '{{print $2\"\\r\"$3}}' {}",
    ],
)
def test_output(eve: Client, world: World, bastion: Bastion, table: Path, command: str, terminal: str) -> None:
    done = eve.ssh(terminal, "-J", "bastion", f"{world.login}@web-1", command.format(table))
    assert done.status == 0, done.errors
    assert in_clear(done.out + done.err) == []
    assert in_clear((done.out + done.err).replace(b"\0", b"")) == []
    assert (done.out + done.err).replace(b"\0", b"").count(b"[EMAIL]") >= PEOPLE
    assert kept_in_clear(bastion) == []


MODES = ("box", "column", "csv", "html", "insert", "json", "line", "markdown", "quote", "table", "tabs")
NAMES = "id,full_name,birth_date\n1,Zoltan Kerekes,1985-03-12\n2,Jo O'Neil,1990-12-01\n"


@pytest.mark.parametrize("terminal", ["-T", "-tt"])
@pytest.mark.parametrize(
    "command",
    [
        "cat {}",
        "column -t -s, {}",
        "cut -d, -f2 {}",
        *(f"sqlite3 :memory: '.import --csv {{}} t' '.headers on' '.mode {mode}' 'select * from t'" for mode in MODES),
        "sqlite3 :memory: '.import --csv {} t' .dump",
    ],
)
def test_names_in_columns(eve: Client, world: World, command: str, terminal: str) -> None:
    path = world.scratch / "names.csv"
    path.write_text(NAMES, encoding="utf-8")
    path.chmod(0o644)
    done = eve.ssh(terminal, "-J", "bastion", f"{world.login}@web-1", command.format(path))
    assert done.status == 0, done.errors
    assert not [value for value in (b"Zoltan", b"Kerekes", b"Neil", b"1985", b"1990") if value in done.out]
    assert done.out.count(b"[NAME]") == 2


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("less {}", ["", " ", "/son2", "G", "g", "q"]),
        ("vim -u NONE -c 'set hls' {}", ["\x06", "/son3", "x", "G", ":%s/,/;/g", "u", ":2", ":q!"]),
        ("top -b -n 1", []),
        ("top -d 0.2", ["q"]),
        ("less --chop-long-lines -N {}", ["\x1b[C", "\x1b[D", "G", "q"]),
    ],
)
def test_full_screen_programs(
    eve: Client, world: World, bastion: Bastion, table: Path, command: str, keys: list[str]
) -> None:
    terminal = eve.terminal(eve.ssh_command("-tt", "-J", "bastion", f"{world.login}@web-1", command.format(table)))
    shown = ""
    for key in keys:
        terminal.expect(r".*\S", timeout=20)
        shown += terminal.before + terminal.after
        terminal.send(key + ("\r" if key[:1] in ("/", ":", "") and key else ""))
    terminal.expect(["closed", r"\Z"] if False else "closed", timeout=20)
    shown += terminal.before
    assert in_clear(shown.encode()) == []
    assert "top" in command or "[EMAIL]" in shown
    assert kept_in_clear(bastion) == []


def test_a_shell(eve: Client, world: World, bastion: Bastion, table: Path) -> None:
    shell = open_shell(eve, "-J", "bastion", f"{world.login}@web-1")
    shown = ""
    for line in (f"cat {table}", f"printf '%s@%s\\n' jane.doe example.com; tail -n 3 {table}", f"rev {table} | rev"):
        shell.sendline(line)
        shell.expect_exact(PROMPT)
        shown += shell.before
    shell.sendline("exit")
    shell.wait()
    assert in_clear(shown.encode()) == []
    assert shown.count("[EMAIL]") == 2 * PEOPLE + 4
    assert kept_in_clear(bastion) == []


def test_values_in_commands_are_not_kept(eve: Client, world: World, bastion: Bastion, table: Path) -> None:
    done = eve.jump(f"{world.login}@web-1", f"grep -c {MAILS[3]} {table}; no-such-{IBANS[1]}")
    assert done.text == "1\n"
    assert in_clear(done.out + done.err) == []
    assert "[EMAIL]" in eve.json("sessions", "list")[0]["command"]
    assert kept_in_clear(bastion) == []


@pytest.mark.parametrize("program", ["sftp", "scp", "scp -O", "rsync"])
def test_downloads(eve: Client, world: World, bastion: Bastion, table: Path, tmp_path: Path, program: str) -> None:
    here, there = tmp_path / "got.csv", f"{world.login}@web-1:{table}"
    options = ["-F", str(eve.config), "-J", "bastion"]
    command = {
        "sftp": ["sftp", *options, "-b", "-", f"{world.login}@web-1"],
        "scp": ["scp", *options, there, str(here)],
        "scp -O": ["scp", "-O", *options, there, str(here)],
        "rsync": ["rsync", "-e", f"ssh -F {eve.config} -J bastion", there, str(here)],
    }[program]
    done = eve.run(command, stdin=f"get {table} {here}\n".encode() if program == "sftp" else b"")
    got = here.read_bytes() if here.exists() else b""
    assert in_clear(got + done.out + done.err) == []
    if program == "rsync":
        assert done.status != 0
        assert b"must be masked" in done.err
    else:
        assert done.status == 0, done.errors
        assert len(got) == len(TABLE), "the length stays"
        assert got.startswith(b"id,mail,card,iban\n0,*")
    assert kept_in_clear(bastion) == []


def test_names_of_files_are_not_kept(
    eve: Client, signed_in: dict[str, Client], world: World, bastion: Bastion, table: Path
) -> None:
    there, other = table.with_name(MAILS[6]), table.with_name(MAILS[7])
    steps = f"put {eve.known_hosts} {there}\nget {there} {eve.folder}/got\nrename {there} {other}\nrm {other}\n"
    command = ["sftp", "-F", str(eve.config), "-J", "bastion", "-b", "-", f"{world.login}@web-1"]
    assert eve.run(command, stdin=steps.encode()).status == 0
    kinds = ("file.upload", "file.download", "file.operation")
    rows = signed_in["bob"].json("audit", "log", "--limit", "50")
    paths = [row["data"]["path"] for row in rows if row["type"] in kinds][-4:]
    assert paths == [str(table.with_name("[EMAIL]"))] * 4
    assert kept_in_clear(bastion) == []


ENCODERS = [
    "base64 {}",
    "base64 -w0 {}",
    "xxd -p {}",
    "gzip -c {}",
    "bzip2 -c {}",
    "xz -c {}",
    "zstd -qc {}",
    "zip -q - {}",
    "tar czf - {} 2>/dev/null",
    "openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -in {}",
    "gzip -c {} | base64",
    "sed 's/$/ /' {} | base64 | dd bs=1 2>/dev/null",
    "rev {}",
    "rev {} | dd bs=16 2>/dev/null",
    "cut -d, -f4 {} | rev",
    "xxd {}",
    "od {}",
    "od -c {}",
    "od -An -tx1 {}",
]


@pytest.mark.parametrize("command", ENCODERS)
def test_what_hides_values_is_stopped(eve: Client, world: World, bastion: Bastion, table: Path, command: str) -> None:
    done = eve.jump(f"{world.login}@web-1", command.format(table))
    assert done.status == 126
    assert [line for line in done.said if line.startswith("bastion: denied by rule masking: the output is ")]
    assert len(done.out) < 64
    assert not [value for value in VALUES if value in done.out or value[::-1] in done.out]
    newest = eve.json("sessions", "list")[0]
    assert newest["exit_status"] == "126"


def test_what_hides_nothing_passes_byte_for_byte(eve: Client, world: World, table: Path) -> None:
    clean = b"".join(b"line %d of a clean file\n" % number for number in range(20_000))
    path = table.with_name("clean")
    path.write_bytes(clean)
    path.chmod(0o644)
    try:
        for command, read in (
            ("gzip -c", gzip.decompress),
            ("bzip2 -c", bz2.decompress),
            ("xz -c", lzma.decompress),
            ("base64", base64.b64decode),
            ("xxd -p", lambda text: bytes.fromhex(text.decode())),
            ("cat", bytes),
        ):
            done = eve.jump(f"{world.login}@web-1", f"{command} {path}")
            assert (done.status, read(done.out) == clean) == (0, True), command
        done = eve.jump(f"{world.login}@web-1", f"sha256sum {path}; head -c 3000 /dev/urandom | base64")
        assert done.status == 0, done.errors
    finally:
        path.unlink()


def approve(signed_in: dict[str, Client], **expected: str) -> None:
    """Approve the one request that waits."""
    bob = signed_in["bob"]
    row = wait_until(
        "a request", lambda: next((r for r in bob.json("approvals", "list") if r["state"] == "pending"), None)
    )
    for key, value in expected.items():
        assert value in row[key]
    done = bob.cli("approvals", "approve", row["id"], "--reason", "ticket 7")
    assert done.status == 0, done.errors


def test_a_target_that_asks_lets_it_through_once_people_agree(
    eve: Client, signed_in: dict[str, Client], world: World, table: Path
) -> None:
    running = eve.start(eve.ssh_command("-J", "bastion", f"{world.login}@asking", f"gzip -c {table}"))
    running.wait_for("bastion: waiting for approval .* \\(rule masking, approvers sre")
    approve(signed_in, rule="masking", channel="unmasked", reason="gzip")
    done = running.finish()
    assert done.status == 0
    assert gzip.decompress(done.out).decode() == TABLE


def test_unmasking_needs_a_reason_and_somebody_else(
    eve: Client, signed_in: dict[str, Client], world: World, bastion: Bastion, table: Path
) -> None:
    way = ["-o", 'SetEnv=BASTION_UNMASK="incident 4711"', "-J", "bastion", f"{world.login}@web-1", f"cat {table}"]
    running = eve.start(eve.ssh_command(*way))
    running.wait_for("bastion: waiting for approval .* \\(rule unmask, approvers sre")
    approve(signed_in, rule="unmask", channel="unmasked", reason="incident 4711")
    done = running.finish()
    assert (done.status, done.text) == (0, TABLE)
    assert in_clear(eve.jump(f"{world.login}@web-1", f"cat {table}").out) == [], "once is once"
    assert kept_in_clear(bastion) == [], "the recording stays masked"
    rows = [
        row for row in signed_in["bob"].json("audit", "log", "--limit", "200") if row["data"].get("rule") == "unmask"
    ]
    assert {row["type"] for row in rows} >= {"approval.requested", "approval.decided", "approval.used"}
    decided = next(row for row in rows if row["type"] == "approval.decided")
    assert (decided["identity"], decided["data"]["reason"]) == ("bob", "ticket 7")


def test_an_approval_of_a_masked_run_unmasks_nothing(
    eve: Client, signed_in: dict[str, Client], world: World, bastion: Bastion, table: Path
) -> None:
    command = f"deploy v1 {MAILS[5]}; cat {table}"
    first = eve.ssh("-o", "SetEnv=BASTION_WAIT=0", "-J", "bastion", f"{world.login}@web-1", command)
    assert first.status == 75
    approve(signed_in, rule="prod-change")
    options = ["-o", "SetEnv=BASTION_WAIT=0 BASTION_UNMASK=me", "-J", "bastion", f"{world.login}@web-1"]
    second = eve.ssh(*options, command)
    assert (second.status, second.out) == (75, b""), "this is another question"
    third = eve.jump(f"{world.login}@web-1", command)
    assert third.status == 0
    assert in_clear(third.out) == []
    bob = signed_in["bob"]
    other = next(row for row in bob.json("approvals", "list") if row["state"] == "pending")
    assert other["command"] == command, "who decides sees what it is about"
    assert bob.cli("approvals", "deny", other["id"]).status == 0
    assert kept_in_clear(bastion) == [], "one was used and one denied"
    shown = next(row for row in eve.json("approvals", "list") if row["state"] == "used" and "deploy" in row["command"])
    assert shown["command"] == f"deploy v1 [EMAIL]; cat {table}"


def test_full_screen_programs_per_target(eve: Client, signed_in: dict[str, Client], world: World, table: Path) -> None:
    refused = eve.terminal(eve.ssh_command("-tt", "-J", "bastion", f"{world.login}@refusing", f"less {table}"))
    refused.expect("bastion: denied by rule masking: full-screen programs")
    refused.expect("closed")
    dumb = eve.ssh("-tt", "-J", "bastion", f"{world.login}@dumb", f"echo $TERM; TERM=xterm less {table}")
    assert dumb.text.startswith("dumb\r\n")
    assert "denied by rule masking: full-screen" in dumb.text
    asking = eve.terminal(eve.ssh_command("-tt", "-J", "bastion", f"{world.login}@asking", f"less {table}"))
    asking.expect("waiting for approval")
    approve(signed_in, rule="masking", reason="full-screen")
    asking.expect_exact("[EMAIL]")
    asking.send("q")
    asking.expect("closed")


def test_another_style_and_fewer_detectors_on_a_target(eve: Client, world: World, table: Path) -> None:
    done = eve.jump(f"{world.login}@starry", f"head -n 2 {table}; head -n 2 {table} | base64")
    shown, hidden = done.out.split(b"\n", 2)[1], done.out.split(b"\n", 2)[2]
    assert shown == f"0,{'*' * len(MAILS[0])},{CARDS[0]},{IBANS[0]}".encode()
    assert MAILS[0].encode() in base64.b64decode(hidden), "there it is let through"
