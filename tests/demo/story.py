"""The main job, told in steps: each says what happens, does it with stock programs, and checks that it happened."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pexpect

from tests.demo.stage import Stage, Typed, cli, ssh
from tests.lab.bastion import World, program
from tests.lab.client import Client, Done, Running

WAITING = r"^bastion: waiting for approval (\S+) "


class Story:
    """Plays the steps in order on a running world; `people` are filled as they log in."""

    def __init__(self, stage: Stage, world: World) -> None:
        self.stage = stage
        self.world = world
        self.bastion = program("bastion")
        self.people = {
            name: Client(world.folder / name, world.bastion, name, world.login)
            for name in ("build-agent", "alice", "bob", "carol")
        }
        self.target = f"{world.login}@web-1"
        self.agent, self.alice, self.bob = (self.people[name] for name in ("build-agent", "alice", "bob"))

    def play(self) -> None:
        """Play all steps; StoryError ends it."""
        steps: tuple[Callable[[], None], ...] = (
            self.agent_logs_in,
            self.person_logs_in,
            self.command_runs,
            self.output_is_masked,
            self.command_is_approved,
            self.command_is_refused,
            self.command_is_denied,
            self.session_is_replayed,
            self.journal_is_verified,
        )
        for step in steps:
            step()

    def agent_logs_in(self) -> None:
        """A token becomes a certificate."""
        self.stage.step(
            "An AI agent logs in with a token of its identity provider and gets a certificate for 15 minutes."
        )
        token = self.agent.folder / "token"
        token.touch(mode=0o600)
        token.write_text(self.world.agents.token("build-agent", minutes=24 * 60), encoding="utf-8")
        login = cli(self.agent, self.bastion, "login", "--token-file", str(token))
        self.stage.run(self.agent, login, lambda done: done.status == 0 and self.agent.certificate.exists())

    def person_logs_in(self) -> None:
        """The device flow over plain ssh, with the browser's part played here."""
        self.stage.step("A person needs nothing but ssh: the address for the browser comes over the login itself.")
        public, certificate = f"{self.alice.key}.pub", self.alice.certificate
        login = ssh(self.alice, "bastion", "login", redirect=f" < {public} > {certificate}")
        self.stage.command(login.text)
        running = self.alice.start(login.arguments)
        running.write(Path(public).read_bytes())
        running.wait_for(re.escape(self.world.people.url))
        code = running.wait_for(r"\b([A-Z0-9]{4}-?[A-Z0-9]{4})\b")[1]
        self.world.people.answer_device(code, "alice")
        done = running.finish()
        self.stage.output(done.errors, style="yellow")
        self.stage.note("(the demo has played the browser: user alice, password alice-pw)")
        self.stage.check(done.status == 0, "no certificate was given out")
        certificate.write_bytes(done.out)
        for name in ("bob", "carol"):
            self.people[name].sign_in(self.world.people.token(name, minutes=24 * 60))
        whoami = ssh(self.alice, "bastion", "whoami")
        self.stage.run(self.alice, whoami, lambda done: done.status == 0 and "alice" in done.text)

    def command_runs(self) -> None:
        """Plain `ssh -J`."""
        self.stage.step(
            "The agent runs a command on web-1 with stock ssh -J: no question, and the exit status is the command's."
        )
        command = ssh(self.agent, "-J", "bastion", self.target, "id -un; uname -s; exit 7")
        self.stage.run(self.agent, command, lambda done: done.status == 7 and self.world.login in done.text)

    def output_is_masked(self) -> None:
        """Personal data leaves neither to the client nor to the recording."""
        self.stage.step("E-mail addresses in the output are masked, on the screen and in the recording alike.")

        def masked(done: Done) -> bool:
            return done.status == 0 and "Jane" in done.text and "@example" not in done.text

        self.stage.run(self.agent, ssh(self.agent, "-J", "bastion", self.target, "customers"), masked)

    def command_is_approved(self) -> None:
        """Held, approved by another person, runs once."""
        self.stage.step("A flagged command is held: nothing reaches web-1 until another person agrees.")
        running, approval = self._hold("deploy shop-2.1")
        self.stage.check(not (self.world.scratch / "deployed").exists(), "the held command has run already")
        self.stage.note("Bob, who may approve, looks at it and agrees; then it runs as if nothing had happened:")
        shown = cli(self.bob, self.bastion, "approvals", "show", approval)
        self.stage.run(self.bob, shown, lambda done: done.status == 0 and "shop-2.1" in done.text)
        self._decide("approve", approval)
        done = running.finish()
        self._show_rest(done)
        deployed = (self.world.scratch / "deployed").read_text(encoding="utf-8")
        self.stage.check((done.status, deployed) == (0, "shop-2.1\n"), "the approved command did not run exactly once")

    def command_is_refused(self) -> None:
        """Held, denied by a person."""
        self.stage.step("Another one is denied by a person: exit status 126, and the target never hears of it.")
        running, approval = self._hold("systemctl stop billing")
        self._decide("deny", approval, "--reason", "not during business hours")
        done = running.finish()
        self._show_rest(done)
        self.stage.check(done.status == 126 and "denied by bob" in done.errors, "the denied command was not refused")

    def command_is_denied(self) -> None:
        """Denied by a rule, whatever the words."""
        self.stage.step("Some commands nobody may run. What counts is what would run, not how it is spelled.")
        command = ssh(self.agent, "-J", "bastion", self.target, 'd=/; sudo sh -c "rm --force -r $d/."')
        self.stage.run(self.agent, command, lambda done: done.status == 126 and "denied by rule wipe" in done.errors)

    def session_is_replayed(self) -> None:
        """The list, and one recording."""
        self.stage.step(
            "Every session was recorded, as it happened and masked. Bob lists them and replays the masked one."
        )
        self.stage.run(self.bob, cli(self.bob, self.bastion, "sessions", "list"), lambda done: "customers" in done.text)
        rows = self.bob.json("sessions", "list")
        session = next(row["id"] for row in rows if row["command"] == "customers")
        play = ssh(self.bob, "-t", "bastion", f"sessions play {session}")
        self.stage.command(play.text)
        screen = self._play(play)
        self.stage.output(screen)
        self.stage.check("Jane" in screen and "@example" not in screen, "the replay does not show the session")

    def journal_is_verified(self) -> None:
        """The hash chain."""
        self.stage.step(
            "Each login, decision and command is an entry in a hash-chained journal, which proves to be whole."
        )
        verify = cli(self.bob, self.bastion, "audit", "verify")
        self.stage.run(self.bob, verify, lambda done: done.status == 0)

    def _hold(self, line: str) -> tuple[Running, str]:
        """Start a command that a rule holds, and show the line that says so."""
        command = ssh(self.agent, "-J", "bastion", self.target, line)
        self.stage.command(f"{command.text} &")
        running = self.agent.start(command.arguments)
        found = running.wait_for(WAITING + ".*$")
        self.stage.output(found[0], style="yellow")
        return running, found[1]

    def _show_rest(self, done: Done) -> None:
        """Show how a held command ended, without the line that was shown when it began to wait."""
        self.stage.note("Meanwhile, at the agent's:")
        self.stage.show(Done(done.status, done.out, re.sub(WAITING.encode() + b".*\n", b"", done.err)))

    def _decide(self, verb: str, approval: str, *options: str) -> None:
        command = cli(self.bob, self.bastion, "approvals", verb, approval, *options)
        self.stage.run(self.bob, command, lambda done: done.status == 0)

    def _play(self, command: Typed) -> str:
        """Play a recording on a terminal of its own and return what it drew; `q` ends it where it stays open."""
        screen = self.bob.terminal(command.arguments, rows=30, columns=110)
        drawn = ""
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = screen.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=2)
            drawn = screen.before or ""
            if found == 0:
                break
            screen.send("q")
        screen.close(force=True)
        return drawn
