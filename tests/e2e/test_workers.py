"""Several processes on one port: what one of them decides holds for all, and one that dies harms nobody else."""

import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.lab.bastion import Bastion, World, run_bastion
from tests.lab.client import Client, Done, Running
from tests.lab.process import free_port, wait_until

_numbers = itertools.count()


@dataclass(frozen=True)
class Session:
    """A session that goes on."""

    id: str
    worker: str
    running: Running


class Pair:
    """A bastion of two workers, and people signed in to it."""

    def __init__(self, world: World, bastion: Bastion, metrics: int) -> None:
        self.world = world
        self.bastion = bastion
        self.metrics_port = metrics
        self.alice = self.person("alice")
        self.bob = self.person("bob")

    def person(self, name: str) -> Client:
        client = Client(self.bastion.folder / name, self.bastion, name, self.world.login)
        client.sign_in(self.world.people.token(name))
        return client

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.bastion.folder / "var" / "bastion.db")) as database:
            return database.execute(query).fetchall()

    def workers(self) -> dict[str, int]:
        """Return the process ids of the workers by their ids."""
        return {str(name): int(pid) for name, pid in self.rows("SELECT id, pid FROM workers")}

    def on_both(self, who: Client | None = None) -> list[Session]:
        """Start sessions until each worker has one; return them."""
        who = who or self.alice
        started: list[Session] = []
        while len({session.worker for session in started}) < 2:
            assert len(started) < 40, "all connections went to one worker"
            mark = f"mark {next(_numbers)} end"
            command = f"echo up; : {mark}; cat"
            running = who.start(who.ssh_command(f"{self.world.login}%web-1@bastion", command))
            running.wait_for("^up$")
            [(name, worker)] = self.rows(f"SELECT id, worker FROM sessions WHERE command LIKE '%{mark}%'")
            started.append(Session(str(name), str(worker), running))
        return started

    def get(self, path: str) -> str:
        """Return what the endpoint answers, well or not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def metric(self, name: str, **labels: str) -> float:
        """Return the one sample of this name with these labels."""
        families = text_string_to_metric_families(self.get("/metrics"))
        found = [one for family in families for one in family.samples if (one.name, one.labels) == (name, labels)]
        assert len(found) == 1, f"{name} {labels}"
        return found[0].value


@pytest.fixture(scope="module")
def shared(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    shutil.copytree(world.bastion.folder / "hostkeys", folder / "hostkeys")  # the target believes its target_ca
    port = free_port()
    config = world.config().replace("[server]", f'[server]\nworkers = 2\nmetrics = "127.0.0.1:{port}"', 1)
    bastion = Bastion(folder, config)
    yield Pair(world, bastion, port)
    bastion.stop()


def finish(sessions: list[Session]) -> None:
    for session in sessions:
        session.running.finish()


def test_sessions_of_all_workers_are_listed_and_killed_from_any(shared: Pair) -> None:
    sessions = shared.on_both() + shared.on_both()
    live = {row["id"] for row in shared.bob.json("sessions", "list", "--live")}
    assert live == {session.id for session in sessions}
    for session in sessions:  # whichever worker the killer is at
        done = shared.bob.ssh("bastion", "sessions", "kill", session.id, "--reason", "enough")
        assert (done.status, done.errors) == (0, "")
        assert session.running.finish(5).said == ["bastion: session ended by bob: enough"]
    assert shared.bob.json("sessions", "list", "--live") == []
    again = shared.bob.ssh("bastion", "sessions", "kill", sessions[0].id)
    assert again.status == 4


def test_revoking_cuts_live_sessions_in_every_worker_within_two_seconds(shared: Pair) -> None:
    erin = shared.person("erin")
    sessions = shared.on_both(erin)
    done = shared.bob.ssh("bastion", "certs", "revoke", "erin")
    revoked = time.monotonic()
    assert done.status == 0, done.errors
    for session in sessions:
        session.running.process.wait(max(0.1, revoked + 2 - time.monotonic()))
    for session in sessions:
        assert "disconnected by bob" in session.running.finish().errors
    assert erin.ssh("bastion", "whoami").status == 255
    assert shared.alice.ssh("bastion", "whoami").status == 0


def test_an_approval_given_in_one_worker_lets_a_command_in_the_other_run(shared: Pair) -> None:
    for number in range(6):  # with six the two parties meet in different workers all but surely
        command = shared.alice.ssh_command(f"{shared.world.login}%web-1@bastion", f"deploy v{number}")
        running = shared.alice.start(command)
        name = running.wait_for(r"waiting for approval (\w+)")[1]
        assert shared.bob.ssh("bastion", "approvals", "approve", name).status == 0
        done = running.finish()
        assert (done.status, done.text) == (0, f"deployed v{number}\n")


def test_metrics_are_the_sum_of_all_workers(shared: Pair) -> None:
    sessions = shared.on_both()
    try:
        wait_until("readiness", lambda: shared.get("/readyz") == "ready\n")
        assert shared.metric("bastion_sessions_live") == len(sessions)
        assert shared.metric("bastion_connections_live") == len(sessions)
        opened = shared.metric("bastion_connections_total", event="open")
        assert shared.rows("SELECT count(*) FROM journal WHERE type = 'connection.open'") == [(opened,)]
    finally:
        finish(sessions)


def test_one_approval_is_one_run_however_many_use_and_decide_it_at_once(shared: Pair) -> None:
    def deploy(_: int = 0) -> Done:
        way = f"{shared.world.login}%web-1@bastion"
        return shared.alice.ssh("-o", "SetEnv=BASTION_WAIT=0", way, "deploy at-once")

    def approve(number: int) -> Done:
        return deciders[number % 2].ssh("bastion", "approvals", "approve", asked)

    deciders = (shared.bob, shared.person("dave"))
    asked = deploy().said[-1].split()[2]
    with ThreadPoolExecutor(8) as many:
        assert sorted(done.status for done in many.map(approve, range(8))) == [0, *[1] * 7]
        used = sorted(done.status for done in many.map(deploy, range(8)))
    assert used == [0, *[75] * 7]
    assert (shared.world.scratch / "deployed").read_text().split().count("at-once") == 1
    again = deploy().said[-1].split()[2]  # who came too late asked anew
    assert shared.bob.ssh("bastion", "approvals", "deny", again).status == 0


def test_metrics_tell_of_refused_logins_verdicts_and_who_waits(shared: Pair) -> None:
    certificate = {"how": "certificate"}
    before = shared.metric("bastion_login_failures_total", **certificate)
    denied = shared.metric("bastion_command_verdicts_total", action="deny")
    mallory = shared.person("mallory")
    keygen = ["ssh-keygen", "-q", "-s", str(mallory.key), "-I", "mallory", "-n", "mallory", f"{mallory.key}.pub"]
    assert mallory.run(keygen).status == 0, "a certificate of nobody's CA"
    assert mallory.ssh("bastion", "whoami").status == 255
    way = f"{shared.world.login}%web-1@bastion"
    assert shared.alice.ssh(way, "touch /nowhere/forbidden").status == 126
    waiting = shared.alice.start(shared.alice.ssh_command(way, "deploy metrics"))
    name = waiting.wait_for(r"waiting for approval (\w+)")[1]
    wait_until("the gauge", lambda: shared.metric("bastion_approvals_waiting") == 1)
    assert shared.bob.ssh("bastion", "approvals", "deny", name).status == 0
    assert waiting.finish().status == 126
    wait_until("the gauge", lambda: shared.metric("bastion_approvals_waiting") == 0)
    assert shared.metric("bastion_login_failures_total", **certificate) > before
    assert shared.metric("bastion_command_verdicts_total", action="deny") == denied + 1
    assert 0 <= shared.metric("bastion_recorder_lag_seconds") < 60


def test_it_is_not_ready_while_recordings_or_rows_cannot_be_written(shared: Pair) -> None:
    folder = shared.bastion.folder / "var" / "recordings"
    folder.rename(folder.with_name("aside"))
    folder.write_text("no folder", encoding="utf-8")
    try:
        wait_until("no readiness", lambda: "recordings can't be written" in shared.get("/readyz"))
    finally:
        folder.unlink()
        folder.with_name("aside").rename(folder)
    wait_until("readiness", lambda: shared.get("/readyz") == "ready\n")
    with closing(sqlite3.connect(shared.bastion.folder / "var" / "bastion.db")) as database:
        database.execute("BEGIN IMMEDIATE")
        wait_until("no readiness", lambda: shared.get("/readyz") != "ready\n", 60)
        assert shared.get("/healthz") == "ok\n"
    wait_until("readiness", lambda: shared.get("/readyz") == "ready\n", 60)


def test_lines_of_the_log_say_where_they_belong(shared: Pair) -> None:
    """One JSON object a line, with the worker; what belongs to a session names it, its connection and its user."""
    [session, *others] = shared.on_both()
    finish([session, *others])
    lines = [json.loads(line) for line in shared.bastion.server.output().splitlines() if line.startswith("{")]
    assert {line.get("worker") for line in lines} <= {None, 1, 2}
    ours = [line for line in lines if line.get("session") == session.id]
    assert [line["event"] for line in ours] == ["channel.open", "command.verdict", "channel.close"]
    [(connection,)] = shared.rows(f"SELECT connection FROM sessions WHERE id = '{session.id}'")
    assert {(line["identity"], line["connection"]) for line in ours} == {("alice", connection)}
    opened = [line["event"] for line in lines if line.get("connection") == connection]
    assert opened == ["connection.open", *(line["event"] for line in ours), "connection.close"]
    assert "mark " not in shared.bastion.server.output(), "commands stay in the journal"


def test_the_life_of_workers(shared: Pair) -> None:
    """Killed and replaced, reloaded, drained, started again and left without a parent: last, as nothing is left."""
    replaced_after_a_kill(shared)
    reloaded(shared)
    drained(shared)
    shared.bastion.start()
    workers = shared.workers()
    stops = "SELECT count(*) FROM journal WHERE type = 'server.stop'"
    [(before,)] = shared.rows(stops)
    shared.bastion.server.process.kill()
    wait_until("the end of all workers", lambda: shared.workers() == {})
    assert shared.rows(stops) == [(before + len(workers),)]


def replaced_after_a_kill(pair: Pair) -> None:
    sessions = pair.on_both()
    before = pair.workers()
    dead = sessions[0].worker
    os.kill(before[dead], signal.SIGKILL)
    wait_until("another worker", lambda: len(pair.workers()) == 2 and dead not in pair.workers())
    for session in sessions:
        if session.worker == dead:
            assert session.running.process.wait(10) == 255
        else:
            assert session.running.process.poll() is None
    alive = {worker for (worker,) in pair.rows("SELECT worker FROM sessions WHERE ended IS NULL")}
    assert alive == set(before) - {dead}, "sessions of the worker that lives are left alone"
    finish(sessions)
    assert pair.bob.ssh("bastion", "audit", "verify").status == 0


def reloaded(pair: Pair) -> None:
    text = pair.bastion.config.read_text(encoding="utf-8")
    shut = text.replace('channels = ["shell", "exec", ', 'channels = ["shell", ')
    pair.bastion.config.write_text(shut, encoding="utf-8")
    pair.bastion.server.process.send_signal(signal.SIGHUP)
    reloads = "SELECT count(*) FROM journal WHERE type = 'config.reload'"
    wait_until("both reloads", lambda: pair.rows(reloads)[0] >= (2,))
    for _ in range(4):
        assert pair.alice.ssh(f"{pair.world.login}%web-1@bastion", "true").status != 0
    pair.bastion.config.write_text(text, encoding="utf-8")
    wait_until("both reloads", lambda: pair.rows(reloads)[0] >= (4,))


def drained(pair: Pair) -> None:
    sessions = pair.on_both()
    workers = list(pair.workers().values())
    pair.bastion.server.process.send_signal(signal.SIGTERM)
    assert pair.bastion.server.process.wait(30) == 0
    for session in sessions:
        assert "bastion: the bastion is being stopped" in session.running.finish().errors
    sealed = {name for (name,) in pair.rows("SELECT id FROM sessions WHERE ended IS NOT NULL AND sha256 != ''")}
    assert {session.id for session in sessions} <= sealed
    assert pair.rows("SELECT id FROM sessions WHERE ended IS NULL") == []
    assert pair.workers() == {}
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_what_stops_the_first_worker_is_said_once(world: World, tmp_path: Path) -> None:
    config = tmp_path / "bastion.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(world.config(port=port).replace("[server]", "[server]\nworkers = 2", 1), encoding="utf-8")
        done = run_bastion("serve", "-c", str(config), cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert str(port) in done.stderr
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / "bastion.db").write_text("this is no database", encoding="utf-8")
    (tmp_path / "var" / "bastion.db").chmod(0o600)
    config.write_text(world.config().replace("[server]", "[server]\nworkers = 2", 1), encoding="utf-8")
    done = run_bastion("serve", "-c", str(config), cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (75, 1), done.stderr
