"""Approvals as people see them: those who may decide see what waits for them, everyone sees their own requests.

What counts as deciding lawfully is settled in `bastion.approvals`, within the change itself. Here the caller's right is
looked up, and callers without it get one answer, whether an id exists or not.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from bastion.control.services import Control
from bastion.model import ControlRight
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


def changes(control: Control) -> AsyncIterator[None]:
    """Yield once at first and after each change of any approval: then `find` may tell something new."""
    return control.services.approvals.subscribe()
