"""`bastion audit …`: the journal and its proof."""

from dataclasses import asdict

import click

from bastion.audit import EventType, JournalEntry
from bastion.control import journal
from cli.command import Group, ServerContext, Status, json_option, limit_option
from cli.console import Column

_COLUMNS = (Column("SEQ", right=True), Column("TIME"), Column("TYPE"), Column("IDENTITY"), Column("DETAILS", grow=True))


@click.group("audit", cls=Group)
def command() -> None:
    """Read and check the audit journal."""


@command.command("log", example="bastion audit log --type approval.decided --limit 20")
@click.option("--after", type=click.IntRange(0), metavar="SEQ", help="Start after this entry, instead of the newest.")
@limit_option(100)
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice([str(kind) for kind in EventType]),
    metavar="TYPE",
    help="Only entries of this type; may be given several times.",
)
@json_option
@click.pass_obj
async def log(context: ServerContext, after: int | None, limit: int, types: tuple[str, ...], as_json: bool) -> None:
    """Print entries of the journal, oldest first: the newest 100, or those after a number."""
    kinds = [EventType(kind) for kind in types]
    entries = await journal.read(context.control, after=after, limit=limit, types=kinds)
    if as_json:
        context.console.json([asdict(entry) for entry in entries])
    else:
        context.console.table(_COLUMNS, map(_row, entries), empty="no entries")


@command.command("verify", example="bastion audit verify")
@json_option
@click.pass_obj
async def verify(context: ServerContext, as_json: bool) -> Status:
    """Check the journal's hash chain from its first entry to its head; status 1 where it is broken."""
    result = await journal.verify(context.control)
    if as_json:
        context.console.json(
            {
                "ok": result.ok,
                "count": result.count,
                "first_bad_seq": result.first_bad_seq,
                "why": result.why,
                "head": {"seq": result.head.seq, "hash": result.head.hash},
            }
        )
    elif result.ok:
        context.console.text(f"ok: {result.count} entries, head {result.head.seq} {result.head.hash}")
    if not result.ok:
        context.console.error(
            f"the journal was tampered with: {result.why}; {result.count} entries before it are intact"
        )
    return 0 if result.ok else 1


def _row(entry: JournalEntry) -> list[str]:
    details = [f"session={entry.session}"] if entry.session else []
    details += [f"{key}={value}" for key, value in entry.data.items()]
    return [str(entry.seq), entry.time, entry.type, entry.identity or "-", " ".join(details)]
