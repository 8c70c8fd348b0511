"""The relay of one session channel: the only place that moves its bytes.

Callbacks of both sides go into the pipeline; the actions that come out are performed in order. What takes time is
waited for; a slow side slows the other. Any exception ends the channel: nothing goes on unrecorded or undecided.
"""

import asyncio
import logging
from typing import Any

import asyncssh

from bastion.channel.early import EarlyInput
from bastion.channel.failures import explain, failed_status, unexpected
from bastion.channel.gate import Gate
from bastion.channel.ledger import Ledger
from bastion.channel.limits import TimeKeeper
from bastion.channel.outlet import Outlet
from bastion.channel.requests import ChannelRequest
from bastion.channel.scripts import line_judge
from bastion.channel.services import Services
from bastion.channel.sides import ClientSide
from bastion.channel.target import open_target
from bastion.channel.tasks import Tasks
from bastion.channel.turns import MOST, WHOLE, Turns
from bastion.channel.valve import Valve
from bastion.errors import BastionError, TargetUnreachable
from bastion.inspectors.actions import (
    Action,
    Again,
    Allowed,
    Ask,
    AskLine,
    Decision,
    End,
    Exit,
    Hold,
    Journal,
    Open,
    Read,
    Save,
    Send,
    Settle,
    WakeAt,
    Withdraw,
)
from bastion.inspectors.base import ChannelPipeline
from bastion.inspectors.messages import machine_line, visible
from bastion.model import Action as RuleAction
from bastion.model import Grant, Stream, Verdict, strictest
from bastion.protocols.base import Line
from bastion.target.pool import TargetPool
from recorder.errors import RecordingError

log = logging.getLogger(__name__)

# A client that multiplexes closes its channel as soon as both sides said EOF, and would miss an exit status that comes
# a moment later. So EOF waits for it, but not for ever: a program may close its output and go on reading.
EOF_GRACE = 0.5


class Relay:
    """One session channel between a client and a target."""

    def __init__(
        self,
        services: Services,
        grant: Grant,
        request: ChannelRequest,
        pipeline: ChannelPipeline,
        ledger: Ledger,
        pool: TargetPool,
        client: ClientSide,
    ) -> None:
        self._services = services
        self._grant = grant
        self._request = request
        self._pipeline = pipeline
        self._ledger = ledger
        self._pool = pool
        self._client = client
        self._input = EarlyInput(lambda: self._from_client.read("target", True))
        self._gate = Gate(services, grant, request, ledger.connection, self._input, ledger.session_id)
        self._lines = line_judge(services, grant, request)
        self._log = logging.LoggerAdapter(log, {"facts": ledger.facts})
        self._loop = asyncio.get_running_loop()
        self._target: asyncssh.SSHClientChannel[bytes] | None = None
        self._early: list[bytes | None] = []  # for the target, while it is not up; None is EOF
        self._exit: tuple[str | None, tuple[bool, str, str] | None] = (None, None)
        self._verdict = RuleAction.ALLOW
        self._traffic = [0, 0]
        self._from_client = Valve(client.read)
        self._from_target = Valve(self._read_target)
        soon, most = self._loop.call_soon, WHOLE if services.ruling.masks(grant).finder is None else MOST
        self._outlet = Outlet(ledger.save, self._to_target, client.send)
        feed, over = self._receive, lambda: self._guard(self._outlet.flush)
        self._sent = Turns(feed, lambda reading: self._from_client.read("turns", reading), soon, over, most=most)
        self._output = Turns(feed, lambda reading: self._from_target.read("turns", reading), soon, over, most=most)
        self._wake: asyncio.TimerHandle | None = None
        self._time: TimeKeeper | None = None
        self._tasks = Tasks(ledger.facts, self._fail)
        self._finishing = False
        self._client_gone = False
        self._over = False  # the target's side is

    @property
    def session_id(self) -> str:
        """The id of the channel's session row."""
        return self._ledger.session_id

    def start(self) -> None:
        """Begin with what the channel was opened for."""
        self._services.live.add(self._ledger.session_id, self)
        now = self._services.clock()
        self._time = TimeKeeper(self, self._grant, now, lambda: sum(self._traffic), lambda: self._pipeline.holding)
        self._guard(lambda: self._perform(self._pipeline.start(self._loop.time())))

    # What the client's side reports

    def client_data(self, data: bytes) -> None:
        """Bytes came from the client."""
        self._traffic[0] += len(data)
        if self._target is None:
            self._input.add(data)
            if self._input.full:
                self._from_client.read("target", False)
        self._sent.add(Stream.STDIN, data)

    def client_eof(self) -> None:
        """The client sends no more."""
        self._input.end()
        self._sent.then(
            lambda: self._guard(lambda: self._perform(self._pipeline.close(Stream.STDIN, self._loop.time())))
        )

    def client_congested(self, congested: bool) -> None:
        """The client does, or does no longer, take bytes as fast as they come."""
        self._from_target.read("client", not congested)

    def client_resized(self, columns: int, rows: int, width: int, height: int) -> None:
        """The client's window changed (RFC 4254 section 6.7)."""

        def resize() -> None:
            self._ledger.resize(columns, rows)
            self._pipeline.resize(columns, rows)
            if self._target is not None:
                self._target.change_terminal_size(columns, rows, width, height)

        self._guard(resize)

    def client_signal(self, name: str) -> None:
        """The client sent a signal (RFC 4254 section 6.9)."""
        if self._pipeline.holding:
            self._tasks.spawn(self._gate.withdraw())
        elif self._target is not None:
            self._target.send_signal(name)

    def client_break(self, milliseconds: int) -> bool:
        """The client sent a break (RFC 4335)."""
        if self._target is None:
            return False
        self._target.send_break(milliseconds)
        return True

    def client_closed(self) -> None:
        """The client's channel is gone."""
        self._client_gone = True
        self._sent.then(self._finish)

    # What the target's side reports

    def target_data(self, stream: Stream, data: bytes) -> None:
        """Bytes came from the target."""
        self._traffic[1] += len(data)
        self._output.add(stream, data)

    def target_eof(self) -> None:
        """The target sends no more."""

        def end() -> None:
            now = self._loop.time()
            actions = [a for a in self._pipeline.close(Stream.STDERR, now) if not isinstance(a, End)]
            self._perform([*actions, *self._pipeline.close(Stream.STDOUT, now)])

        self._output.then(lambda: self._guard(end))

    def target_exit(self, status: str, signal: tuple[bool, str, str] | None) -> None:
        """The command on the target ended."""
        self._exit = self._exit if self._finishing else (status, signal)

    def target_closed(self, error: Exception | None) -> None:
        """The target's channel is gone."""
        self._output.then(lambda: self._target_over(error))

    def _target_over(self, error: Exception | None) -> None:
        if error is not None and self._exit == (None, None):
            self._fail(TargetUnreachable(f"the connection to {self._grant.target} was lost", log=str(error)))
        elif not self._pipeline.keeps:
            self._finish()
        self._over = True

    def target_congested(self, congested: bool) -> None:
        """The target does, or does no longer, take bytes as fast as they come."""
        self._from_client.read("target", not congested)

    def tell(self, text: str) -> None:
        """Show the user a line."""
        self._guard(lambda: self._perform(self._pipeline.note(f"bastion: {text}")))

    def kill(self, *, by: str, reason: str) -> None:
        """Tell the user who ends the channel and why, and end it."""
        said = f": {visible(reason)}" if reason else ""
        self._fail(BastionError(f"session ended by {visible(by)}{said}"))

    # Performing actions

    def _receive(self, stream: Stream, data: bytes) -> None:
        if self._finishing:
            return
        try:
            self._take(self._pipeline.receive(stream, data, self._loop.time()))
        except Exception as error:  # noqa: BLE001 - as in `_guard`, which would cost more than a key can wait
            self._fail(error)

    def _guard(self, act: Any) -> None:
        if self._finishing:
            return
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever it is, the channel ends and nothing goes on
            self._fail(error)

    def _perform(self, actions: list[Action]) -> None:
        self._take(actions)
        self._outlet.flush()

    def _take(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Save() | Send():
                    self._outlet.add(action)
                case Again(stream):
                    (self._sent if stream is Stream.STDIN else self._output).again(stream)
                case End(Stream.STDIN):
                    self._outlet.flush()
                    self._to_target(None)
                case End(_):
                    self._loop.call_later(EOF_GRACE, self._send_eof)
                case WakeAt(time):
                    self._wake_at(time)
                case Ask(command):
                    self._tasks.spawn(self._decide(command))
                case AskLine(line):
                    self._tasks.spawn(self._decide_line(line))
                case Settle(command, verdict, aspect):
                    self._tasks.spawn(self._settle(command, verdict, aspect))
                case Journal(kind, facts):
                    self._ledger.note(kind, facts)
                case Hold(holding):
                    self.client_congested(holding)
                case Read(reading):
                    self._from_client.read("pipeline", reading)
                case Open(command):
                    self._tasks.spawn(self._open(command))
                case Withdraw():
                    self._tasks.spawn(self._gate.withdraw())
                case Exit(status):
                    self._exit = (str(int(status)), None)
                    self._finish()

    def _to_target(self, data: bytes | None) -> None:
        if self._target is None:
            self._early.append(data)
        elif data is None:
            self._target.write_eof()
        elif not self._target.is_closing():
            self._target.write(data)

    def _read_target(self, reading: bool) -> None:
        if self._target is not None:
            (self._target.resume_reading if reading else self._target.pause_reading)()

    def _send_eof(self) -> None:
        if not self._finishing:
            self._client.send_eof()

    def _wake_at(self, time: float) -> None:
        if self._wake is not None:
            self._wake.cancel()
        self._wake = self._loop.call_at(time, self._woken)

    def _woken(self) -> None:
        self._wake = None
        if not self._output.waiting:  # otherwise there was no pause, and what comes wakes it again
            self._guard(lambda: self._perform(self._pipeline.wake(self._loop.time())))

    # What takes time

    async def _decide(self, command: bytes) -> None:
        verdict = await self._gate.judge(command)
        self._verdict = verdict.action
        self._input.forget()
        await self._ledger.open(verdict)
        await self._settle(self._gate.subject, verdict)

    async def _decide_line(self, line: Line) -> None:
        ruled = await self._lines.judge(line)
        self._verdict = strictest((self._verdict, ruled.verdict.action))
        if ruled.verdict.action is not RuleAction.ALLOW:
            self._ledger.line(ruled.command, ruled.verdict)
        decision = await self._gate.settle(ruled.command, ruled.verdict, self._resolve)
        if isinstance(decision, Allowed):
            self._lines.passed(line, ruled)
            decision = Allowed(more=ruled.more, release=ruled.command)
        self._resolve(decision)

    async def _settle(self, command: bytes, verdict: Verdict, aspect: str = "") -> None:
        self._resolve(await self._gate.settle(command, verdict, self._resolve, aspect))

    def _resolve(self, decision: Decision) -> None:
        if self._finishing:
            return
        if self._request.machine and not isinstance(decision, Allowed):
            self._perform(self._pipeline.note(machine_line(decision)))
        self._perform(self._pipeline.resolve(decision, self._loop.time()))
        if self._over and not self._pipeline.keeps:
            self._finish()

    async def _open(self, command: bytes | None) -> None:
        await self._ledger.open(None)
        target = self._services.ruling.target(self._grant.target)
        env: dict[bytes | str, bytes | str] = {
            name: value for name, value in self._request.env if not name.startswith("BASTION_")
        }
        channel = await self._pool.use(
            self._grant, target, lambda connection: open_target(connection, self._request, command, env, self)
        )
        if self._finishing:
            channel.close()
            return
        self._target = channel
        early, self._early = self._early, []
        for data in early:
            self._to_target(data)
        self._from_client.read("target", True)

    # The end

    def _fail(self, error: Exception) -> None:
        """End the channel with a line for the user; what went wrong is logged and journalled."""
        if self._finishing:
            return
        text, detail = explain(error)
        self._log.warning("session fails closed: %s", detail, exc_info=unexpected(error))
        self._exit = (str(int(failed_status(error))), None)
        try:
            actions = self._pipeline.note(f"bastion: {text}")
            if isinstance(error, RecordingError):  # nothing can be saved any more, but the user is told why
                actions = [action for action in actions if not isinstance(action, Save)]
            self._perform(actions)
        except Exception:  # noqa: BLE001 - the channel ends either way
            self._log.warning("the last message could not be sent")
        self._finish(failed=detail)

    def _finish(self, failed: str = "") -> None:
        if self._finishing:
            return
        if not failed:
            self._guard(lambda: self._perform(self._pipeline.finish(self._loop.time())))
            if self._finishing:  # flushing failed, and ended the channel by itself
                return
        self._finishing = True
        if self._time is not None:
            self._time.stop()
        if self._wake is not None:
            self._wake.cancel()
        self._tasks.cancel()
        if self._target is not None:
            self._target.close()
        self._tasks.outlive(self._close_books(failed))

    async def _close_books(self, failed: str) -> None:
        status, signal = self._exit
        try:
            if self._client_gone:
                await self._gate.withdraw()
            if failed:
                await self._ledger.failure("relay", failed)
            await self._ledger.close(
                exit_status=status,
                verdict=str(self._verdict),
                traffic=(self._traffic[0], self._traffic[1]),
                masked=self._pipeline.masked(),
            )
        except (BastionError, RecordingError) as error:
            self._log.error("its end could not be written down: %s", error)
        finally:
            self._services.live.remove(self._ledger.session_id)
            if not self._client_gone:
                self._client.exit(status, signal)
