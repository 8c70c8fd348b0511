"""Finding out whether a command may run: the rules first, then people where the rules say so."""

from collections.abc import Callable
from dataclasses import replace

from bastion.channel.requests import ChannelRequest
from bastion.channel.services import Services
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
from bastion.model import FORWARDS, Action, ChannelKind, Grant, Verdict, rfc3339
from bastion.policy.rules import CommandContext
from bastion.policy.transfers import transfer_rules
from bastion.policy.understanding import Opaque, Reason, Understanding
from bastion.store.base import ApprovalRow, ApprovalState

NO_WAIT = "BASTION_WAIT"
# What will be typed into a shell is not known when it opens.
A_SHELL = Understanding("", (), (Opaque(Reason.INTERPRETER_STDIN, "a shell reads commands from its input"),))
# Neither is what a forward will carry.
A_FORWARD = Understanding("", (), (Opaque(Reason.UNSUPPORTED, "what passes through a forward is not read"),))


class Gate:
    """Decides the commands of one channel, with the rules in force when the channel began."""

    def __init__(self, services: Services, grant: Grant, request: ChannelRequest) -> None:
        self._services = services
        self._ruling = services.ruling
        self._grant = grant
        self._request = request
        self._pending: str | None = None

    async def judge(self, command: bytes) -> Verdict:
        """Return what the rules say of these exact bytes."""
        target = self._ruling.config.targets[self._grant.target]
        context = CommandContext(self._grant.identity, target, self._grant.login, self._request.kind)
        rules = self._ruling.rules
        default = self._grant.default
        if self._request.kind is ChannelKind.SFTP:
            return transfer_rules(self._ruling.config.rules).opening(context, default)
        if default is Action.ALLOW and not rules.applies(context):
            return Verdict(Action.ALLOW)
        if self._request.kind is ChannelKind.SHELL:
            understanding = A_SHELL
        elif self._request.kind in FORWARDS:
            understanding = A_FORWARD
        else:
            understanding = await self._services.reader.understand(command)
        return rules.decide(context, understanding, command, default)

    async def settle(self, command: bytes, verdict: Verdict, tell: Callable[[Decision], None]) -> Decision:
        """Turn a verdict into a final decision; `tell` is called with `Waiting` before people are waited for."""
        if verdict.action is Action.ALLOW:
            return Allowed()
        if verdict.action is Action.DENY:
            return DeniedByRule(verdict.rule, verdict.reason)
        # The request outlives the client's wait by as much again: "still open" must be true when it is said.
        asked = replace(verdict, timeout=verdict.timeout * 2)
        row = await self._services.approvals.submit(
            self._grant.identity, self._grant.target, self._grant.login, str(self._request.kind), command, asked
        )
        if row.state is ApprovalState.APPROVED:
            return await self._use(row)
        if self._request.variable(NO_WAIT) == "0":
            return Unanswered(row.id)
        self._pending = row.id
        until = self._services.clock() + (row.expires - row.created) / 2
        tell(Waiting(row.id, row.rule, row.approvers, rfc3339(until)))
        row = await self._services.approvals.wait(row.id, until)
        self._pending = None
        return await self._outcome(row)

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
        used = await self._services.approvals.use(row.digest)
        return Allowed() if used is not None else Lapsed(row.id)
