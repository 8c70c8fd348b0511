"""Finding out whether a command may run: the rules first, then people where the rules say so."""

from collections.abc import Callable

from bastion.approvals import kept_open
from bastion.channel.early import EarlyInput
from bastion.channel.requests import ChannelRequest
from bastion.channel.scripts import PROBE, as_one_text, is_shell, with_input, without_input
from bastion.channel.services import Services
from bastion.channel.transfers import allows_copy, judge_copy
from bastion.inspectors.actions import (
    Allowed,
    Decision,
    DeniedByPerson,
    DeniedByRule,
    Lapsed,
    Unanswered,
    Waiting,
    Withdrawn,
)
from bastion.model import FORWARDS, Action, ChannelKind, Grant, Verdict, rfc3339, strictest
from bastion.policy.copying import Copy, copies, may_copy
from bastion.policy.rules import BY_DEFAULT, CommandContext
from bastion.policy.transfers import transfer_rules
from bastion.policy.understanding import Opaque, Reason, Understanding
from bastion.store.base import ApprovalRow, ApprovalState

# What will be typed into a shell is not known when it opens.
A_SHELL = Understanding("", (), (Opaque(Reason.INTERPRETER_STDIN, "a shell reads commands from its input"),))
# Neither is what a forward will carry.
A_FORWARD = Understanding("", (), (Opaque(Reason.UNSUPPORTED, "what passes through a forward is not read"),))


class Gate:
    """Decides the commands of one channel, with the rules in force when the channel began.

    `connection` is the id of the client connection: an approval may be good for it alone. `early` is what the client
    sends before it is decided, without it nothing of that is read. `session` is the channel's, where it is recorded.
    """

    def __init__(
        self,
        services: Services,
        grant: Grant,
        request: ChannelRequest,
        connection: str,
        early: EarlyInput | None = None,
        session: str = "",
    ) -> None:
        self._connection = connection
        self._session = session
        self._early = early
        self._script = False
        self._subject: bytes | None = None
        self._services = services
        self._ruling = services.ruling
        self._grant = grant
        self._request = request
        self._pending: str | None = None
        self._copy: Copy | None = None

    async def judge(self, command: bytes) -> Verdict:
        """Return what the rules say of these exact bytes."""
        target = self._ruling.target(self._grant.target)
        context = CommandContext(self._grant.identity, target, self._grant.login, self._request.kind)
        rules = self._ruling.rules
        default = self._grant.default
        if self._request.kind is ChannelKind.SFTP:
            return transfer_rules(self._ruling.config.rules).opening(context, default)
        copying = self._request.kind is ChannelKind.EXEC and may_copy(command)
        if default is Action.ALLOW and not rules.applies(context) and not copying:
            return Verdict(Action.ALLOW)
        if self._request.kind is ChannelKind.SHELL:
            return await self._judge_input(context, A_SHELL, command)
        if self._request.kind in FORWARDS:
            understanding = A_FORWARD
        else:
            understanding = await self._services.reader.understand(command, thorough=True)
        verdict = rules.decide(context, understanding, command, default)
        unsettled = bool(understanding.opaque) or verdict.action is not Action.ALLOW
        if unsettled and await self._depends_on_input(understanding):
            return await self._judge_input(context, understanding, command)
        return self._judge_copies(verdict, copies(understanding)) if copying else verdict

    async def _judge_input(self, context: CommandContext, understanding: Understanding, command: bytes) -> Verdict:
        """Return what the rules say of a command that reads more commands from what the client sends.

        With input that ends, of both together; else a shell is decided on alone, and its statements as they come.
        """
        rules, default, reader = self._ruling.rules, self._grant.default, self._services.reader
        script = await self._early.whole() if self._early is not None else None
        if script is not None:
            self._subject = as_one_text(self._request, script)
            both = await with_input(reader, self._request, script)
            verdict = rules.decide(context, both, self._subject, default)
            if both.commands:
                return verdict
        else:
            waits = self._early is not None and not self._early.full
            self._script = waits and await is_shell(reader, self._request)
            verdict = Verdict(Action.ALLOW) if self._script else rules.decide(context, understanding, command, default)
        alone = rules.decide(context, without_input(understanding), command, default)
        return alone if strictest((alone.action, verdict.action)) is not verdict.action else verdict

    async def _depends_on_input(self, understanding: Understanding) -> bool:
        """Whether what a command would run depends on what the client sends to it."""
        if self._early is None or self._request.terminal is not None:
            return False
        probed = await with_input(self._services.reader, self._request, PROBE)
        return (probed.commands, probed.opaque) != (understanding.commands, understanding.opaque)

    def _judge_copies(self, verdict: Verdict, found: list[Copy]) -> Verdict:
        """Return the stricter of what the rules say of a command and of the files it copies; note a plain copy."""
        if len(found) == 1 and found[0].plain:
            self._copy = found[0]
        if found and verdict.rule == BY_DEFAULT and all(allows_copy(self._ruling, self._grant, c) for c in found):
            verdict = Verdict(Action.ALLOW)
        verdicts = [verdict, *(judge_copy(self._ruling, self._grant, copy) for copy in found)]
        worst = strictest(one.action for one in verdicts)
        return next(one for one in verdicts if one.action is worst)

    @property
    def subject(self) -> bytes:
        """What was judged last, as people see it: the command, with its input where that was read as well."""
        return self._request.command if self._subject is None else self._subject

    async def settle(
        self, command: bytes, verdict: Verdict, tell: Callable[[Decision], None], aspect: str = ""
    ) -> Decision:
        """Turn a verdict into a final decision; `tell` is called with `Waiting` before people are waited for.

        `aspect` becomes part of the kind of channel that people read, and so of what the approval is bound to.
        """
        if verdict.action is Action.ALLOW:
            return Allowed(self._copy, self._script)
        if verdict.action is Action.DENY:
            return DeniedByRule(verdict.rule, verdict.reason)
        asked = kept_open(verdict)
        row = await self._services.approvals.submit(
            self._grant.identity,
            self._grant.target,
            self._grant.login,
            f"{self._request.kind}, {aspect}" if aspect else str(self._request.kind),
            command,
            asked,
            self._connection,
            self._session,
            masked=self._masked(command),
        )
        if row.state is ApprovalState.APPROVED:
            return await self._use(row)
        if not self._request.waits:
            return Unanswered(row.id)
        self._pending = row.id
        until = self._services.clock() + (row.expires - row.created) / 2
        tell(Waiting(row.id, row.rule, row.approvers, rfc3339(until)))
        row = await self._services.approvals.wait(row.id, until)
        self._pending = None
        return await self._outcome(row)

    def _masked(self, command: bytes) -> bytes:
        """Return what of a command is kept for good; where a forward leads to names machines, not people."""
        return command if self._request.kind in FORWARDS else self._ruling.masks(self._grant).mask(command)

    async def withdraw(self) -> bool:
        """Take back the request that is waited for; False when there is none."""
        if self._pending is None:
            return False
        return await self._services.approvals.withdraw(self._pending, self._grant.identity)

    async def _outcome(self, row: ApprovalRow) -> Decision:
        match row.state:
            case ApprovalState.APPROVED:
                return await self._use(row)
            case ApprovalState.PENDING:
                return Unanswered(row.id)
            case ApprovalState.DENIED:
                denial = next(d for d in reversed(row.decisions) if not d.approve)
                return DeniedByPerson(row.id, denial.who, denial.reason)
            case ApprovalState.WITHDRAWN:
                return Withdrawn(row.id)
            case ApprovalState.EXPIRED | ApprovalState.USED:
                return Lapsed(row.id)

    async def _use(self, row: ApprovalRow) -> Decision:
        used = await self._services.approvals.use(row.digest, self._connection)
        return Allowed(self._copy, self._script) if used is not None else Lapsed(row.id)
