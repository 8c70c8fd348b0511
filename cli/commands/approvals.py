"""`bastion approvals …`: what waits for a person's word."""

from datetime import datetime

import click

from bastion.control import approvals
from bastion.model import rfc3339
from bastion.store.base import ApprovalRow, ApprovalScope, ApprovalState
from cli.approvals import as_json as approval_json
from cli.approvals import explained, summary
from cli.command import Duration, Group, ServerContext, json_option, limit_option
from cli.console import Column, as_text, length
from cli.watch import watch_approvals

_COLUMNS = (
    Column("ID"),
    Column("STATE"),
    Column("LEFT", right=True),
    Column("WHO"),
    Column("TARGET"),
    Column("COMMAND", grow=True),
)
_STATES = [str(state) for state in ApprovalState]


@click.group("approvals", cls=Group)
def command() -> None:
    """See and decide what waits for approval."""


@command.command("list", example="bastion approvals list --state pending --json")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these; several may be given.")
@limit_option(100)
@json_option
@click.pass_obj
async def list_(context: ServerContext, states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List approvals, newest first: your own requests and those you may decide."""
    rows = await approvals.find(context.control, states=[ApprovalState(state) for state in states], limit=limit)
    if as_json:
        context.console.json([approval_json(row) for row in rows])
        return
    now = context.control.now
    context.console.table(_COLUMNS, (_row(row, now) for row in rows), empty="nothing waits, and nothing did")


@command.command("watch", example="ssh -t bastion approvals watch")
@json_option
@click.pass_obj
async def watch(context: ServerContext, as_json: bool) -> None:
    """Show what waits as it comes and decide with keys; without a terminal, print a line for every change."""
    await watch_approvals(context, as_json=as_json)


@command.command("show", example="bastion approvals show ID")
@click.argument("approval_id", metavar="ID")
@json_option
@click.pass_obj
async def show(context: ServerContext, approval_id: str, as_json: bool) -> None:
    """Show one approval: the exact command, what it would run, who asked, who may decide and who did."""
    row = await approvals.get(context.control, approval_id)
    understood = await approvals.explain(context.control, row)
    if as_json:
        context.console.json({**approval_json(row), **explained(understood)})
    else:
        context.console.fields(summary(row, context.control.now, understood))


@command.command("request", example='bastion approvals request web-1 -- "systemctl restart shop"')
@click.argument("target", metavar="TARGET")
@click.argument("words", metavar="CMD", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--login", default="", help="The login on the target; the first you have there, if none is given.")
@json_option
@click.pass_obj
async def request(context: ServerContext, target: str, words: tuple[str, ...], login: str, as_json: bool) -> None:
    """Ask for a command before you run it; run exactly it by ssh once it is approved. Words are joined as ssh does."""
    row = await approvals.request(context.control, target, login, " ".join(words).encode())
    if as_json:
        context.console.json(approval_json(row) if row is not None else {"id": None, "state": "not needed"})
    elif row is None:
        context.console.line("no approval is needed; just run it")
    elif row.state is ApprovalState.APPROVED:
        context.console.line(f"approval {row.id} is there already; run the command until {rfc3339(row.expires)}")
    else:
        context.console.line(
            f"approval {row.id} asked of {', '.join(row.approvers)}, open until {rfc3339(row.expires)}"
        )


@command.command("approve", example='bastion approvals approve ID --for 10m --reason "as agreed"')
@click.argument("approval_id", metavar="ID")
@click.option("--reason", default="", help="Goes into the journal and to the person who asked.")
@click.option("--for", "lifetime", type=Duration(), help="How long the approval may be used, such as 10m.")
@click.option(
    "--scope",
    type=click.Choice([str(scope) for scope in ApprovalScope]),
    default=str(ApprovalScope.ONCE),
    show_default=True,
    help="Good once; or for this very command as often as wanted, in all sessions or in the one that asked.",
)
@json_option
@click.pass_obj
async def approve(
    context: ServerContext, approval_id: str, reason: str, lifetime: float | None, scope: str, as_json: bool
) -> None:
    """Approve a request: the held command runs, once unless --scope says otherwise."""
    row = await approvals.decide(
        context.control,
        approval_id,
        approve=True,
        reason=reason,
        lifetime=lifetime,
        scope=ApprovalScope(scope),
    )
    _report(context, row, as_json=as_json)


@command.command("deny", example='bastion approvals deny ID --reason "not before tonight"')
@click.argument("approval_id", metavar="ID")
@click.option("--reason", default="", help="Goes into the journal and to the person who asked.")
@json_option
@click.pass_obj
async def deny(context: ServerContext, approval_id: str, reason: str, as_json: bool) -> None:
    """Deny a request: nothing reaches the target, and the person who asked reads your reason."""
    row = await approvals.decide(context.control, approval_id, approve=False, reason=reason, lifetime=None)
    _report(context, row, as_json=as_json)


def _report(context: ServerContext, row: ApprovalRow, *, as_json: bool) -> None:
    if as_json:
        context.console.json(approval_json(row))
    elif row.state is ApprovalState.PENDING:
        given = sum(decision.approve for decision in row.decisions)
        context.console.line(
            f"approval {row.id} has {given} of {row.approvals} approvals, until {rfc3339(row.expires)}"
        )
    elif row.state is ApprovalState.APPROVED:
        context.console.line(f"approval {row.id} approved, to be used until {rfc3339(row.expires)}")
    else:
        context.console.line(f"approval {row.id} {row.state}")


def _row(row: ApprovalRow, now: datetime) -> list[str]:
    open_ = row.state in {ApprovalState.PENDING, ApprovalState.APPROVED}
    left = length((row.expires - now).total_seconds()) if open_ else "-"
    where = f"{row.login}@{row.target}" if row.login else row.target
    return [row.id, str(row.state), left, row.requester, where, as_text(row.command)]
