"""How often an approval may be used, and where: what the approver chose."""

from bastion.store.base import ApprovalRow, ApprovalScope, ApprovalState
from tests.bastion.desk import ALICE, BOB, Desk, verdict


async def test_an_approval_for_a_session_is_good_there_alone(counter: Desk) -> None:
    async def asked(connection: str) -> ApprovalRow:
        return await counter.approvals.submit(ALICE, "web-1", "deploy", "exec", b"x", verdict(), connection)

    row = await asked("c1")
    await counter.approvals.decide(
        BOB, row.id, approve=True, reason="", lifetime=None, may_approve=True, scope=ApprovalScope.SESSION
    )
    for _ in range(2):
        again = await asked("c1")
        assert (again.id, again.state) == (row.id, ApprovalState.APPROVED)
        assert await counter.approvals.use(row.digest, "c1") is not None
    assert await counter.approvals.use(row.digest, "c2") is None
    elsewhere = await asked("c2")
    assert (elsewhere.id != row.id, elsewhere.state) == (True, ApprovalState.PENDING)
