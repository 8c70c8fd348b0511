"""Approvals as people see them: those who may decide see what waits for them, everyone sees their own requests.

What counts as deciding lawfully is settled in `bastion.approvals`, within the change itself. Here the caller's right is
looked up, and callers without it get one answer, whether an id exists or not.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from bastion.approvals import kept_open
from bastion.control.services import Control
from bastion.errors import AccessDenied
from bastion.inspectors.messages import visible
from bastion.model import Action, ChannelKind, ControlRight
from bastion.policy.understanding import Understanding
from bastion.store.base import ApprovalRow, ApprovalScope, ApprovalState


async def find(control: Control, *, states: Sequence[ApprovalState], limit: int) -> Sequence[ApprovalRow]:
    """Return the approvals the caller may see, newest first; no states means all."""
    return await control.services.approvals.list(
        control.identity, may_approve=control.may(ControlRight.APPROVE), states=tuple(states), limit=limit
    )


async def get(control: Control, approval_id: str) -> ApprovalRow:
    """Return one approval; raises NotFoundError, also for one that the caller may not see."""
    return await control.services.approvals.get(
        approval_id, control.identity, may_approve=control.may(ControlRight.APPROVE)
    )


async def explain(control: Control, row: ApprovalRow) -> Understanding | None:
    """Return what the command of an approval would run; None where it is about no command, but a file or a forward."""
    if row.channel not in {ChannelKind.EXEC, ChannelKind.SHELL}:
        return None
    return await control.services.understand(row.command)


async def decide(
    control: Control,
    approval_id: str,
    *,
    approve: bool,
    reason: str,
    lifetime: float | None,
    scope: ApprovalScope = ApprovalScope.ONCE,
) -> ApprovalRow:
    """Approve or deny a pending request and return it as it is then.

    `lifetime` is how many seconds an approval may be used, None for the server's default, `scope` how often.
    Raises AccessDenied, NotFoundError, or BastionError where it is not pending any more.
    """
    return await control.services.approvals.decide(
        control.identity,
        approval_id,
        approve=approve,
        reason=reason,
        lifetime=None if lifetime is None else timedelta(seconds=lifetime),
        may_approve=control.may(ControlRight.APPROVE),
        scope=scope,
    )


async def request(control: Control, target: str, login: str, command: bytes) -> ApprovalRow | None:
    """Ask for a command beforehand; None where it may run without asking.

    Running these very bytes by ssh later finds the request, or uses what was decided. Without `login` it is the first
    the caller has there. Raises AccessDenied for targets that are not open to the caller, and where a rule denies it.
    """
    login = login or _first_login(control, target)
    grant = control.services.access().grant(control.identity, target, login)
    if ChannelKind.EXEC not in grant.channels:
        raise AccessDenied(f"exec channels are not open to you on {target}")
    verdict = await control.services.judge(grant, command)
    if verdict.action is Action.ALLOW:
        return None
    if verdict.action is Action.DENY:
        raise AccessDenied(f"denied by rule {visible(verdict.rule)}: {visible(verdict.reason)}")
    return await control.services.approvals.submit(
        control.identity,
        grant.target,
        grant.login,
        str(ChannelKind.EXEC),
        command,
        kept_open(verdict),
        masked=control.services.masked(grant, command),
    )


def _first_login(control: Control, target: str) -> str:
    lines = control.services.access().reachable(control.identity)
    return next((login for line in lines if line.target.name == target for login in line.logins), "")


def changes(control: Control) -> AsyncIterator[None]:
    """Yield once at first and after each change of any approval: then `find` may tell something new."""
    return control.services.approvals.subscribe()
