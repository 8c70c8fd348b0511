"""`bastion sessions …`: what was recorded, and what runs now."""

import click

from bastion.control import sessions
from bastion.model import rfc3339
from bastion.store.base import SessionRow
from cli.command import Group, ServerContext, json_option, limit_option
from cli.console import Column, length, moment, size
from cli.live import watch_session
from cli.play import export_session, play_session
from recorder.export import FORMATS

_COLUMNS = (
    Column("ID"),
    Column("STARTED"),
    Column("LASTED", right=True, extra=True),
    Column("WHO", grow=True),
    Column("TARGET", grow=True),
    Column("EXIT"),
    Column("COMMAND", grow=True),
)

_MATCHES = 1000  # lines that a search finds at most


@click.group("sessions", cls=Group)
def command() -> None:
    """List, replay, export, search and end recorded sessions."""


@command.command("list", example="bastion sessions list --live")
@click.option("--live/--ended", default=None, help="Only sessions that run now, or that are over.")
@click.option("--mine", is_flag=True, help="Only your own.")
@limit_option(100)
@json_option
@click.pass_obj
async def list_(context: ServerContext, live: bool | None, mine: bool, limit: int, as_json: bool) -> None:
    """List sessions, newest first: yours, or all with the right to replay."""
    rows = await sessions.find(context.control, live=live, own=mine, limit=limit)
    if as_json:
        context.console.json([_json(row) for row in rows])
    else:
        context.console.table(_COLUMNS, (_row(context, row) for row in rows), empty="no session was recorded")


@command.command("show", example="bastion sessions show ID")
@click.argument("session_id", metavar="ID")
@json_option
@click.pass_obj
async def show(context: ServerContext, session_id: str, as_json: bool) -> None:
    """Show what is known of one session."""
    row = await sessions.get(context.control, session_id)
    if as_json:
        context.console.json(_json(row))
        return
    masked = ", ".join(f"{count} {kind}" for kind, count in row.masked)
    context.console.fields(
        [
            ("session", row.id),
            ("who", f"{row.identity} ({row.kind}, {row.issuer})"),
            ("target", _where(row)),
            ("channel", row.channel),
            ("command", row.command or "-"),
            ("verdict", row.verdict or "-"),
            ("started", moment(row.started)),
            ("ended", moment(row.ended) if row.ended else "live"),
            ("exit", row.exit_status or "-"),
            ("bytes", f"{size(row.bytes_in)} in, {size(row.bytes_out)} out"),
            ("masked", masked or "-"),
            ("recording", row.recording or "-"),
            ("sha256", row.sha256 or "-"),
        ]
    )


@command.command("play", example="ssh -t bastion sessions play ID")
@click.argument("session_id", metavar="ID")
@click.option("--speed", type=click.FloatRange(1 / 16, 64), default=1.0, show_default=True, help="Times as fast.")
@click.option("--idle-limit", type=click.FloatRange(0, 3600), metavar="SECONDS", help="The longest wait.")
@click.pass_obj
async def play(context: ServerContext, session_id: str, speed: float, idle_limit: float | None) -> None:
    """Replay a session: space pauses, left/right jump 5 s, +/- change the speed, 0-9 jump to tenths, q ends.

    Without a terminal, the whole output is printed at once.
    """
    await play_session(context, session_id, speed=speed, idle_limit=idle_limit)


@command.command("watch", example="ssh -t bastion sessions watch ID")
@click.argument("session_id", metavar="ID")
@click.pass_obj
async def watch(context: ServerContext, session_id: str) -> None:
    """Look on while a session goes on, seeing what its user sees; q ends looking. Nothing can be typed into it.

    A session larger than your terminal is shown in part, where its cursor is. Without a terminal, output is printed as
    it comes, up to the session's end.
    """
    await watch_session(context, session_id)


@command.command("export", example="bastion sessions export ID --format cast > session.cast")
@click.argument("session_id", metavar="ID")
@click.option("--format", "form", type=click.Choice(FORMATS), default="cast", show_default=True, help="The form.")
@click.pass_obj
async def export(context: ServerContext, session_id: str, form: str) -> None:
    """Write a recording to standard output: asciicast v2, plain text, one HTML page, or JSON with every byte."""
    await export_session(context, session_id, form)


@command.command("search", example="bastion sessions search 'systemctl stop' --json")
@click.argument("text")
@click.option("--regex", is_flag=True, help="TEXT is a regular expression (RE2).")
@limit_option(1000)
@json_option
@click.pass_obj
async def search(context: ServerContext, text: str, regex: bool, limit: int, as_json: bool) -> None:
    """Find lines in the newest recordings you may see, whatever their case; --limit is how many recordings."""
    matches = sessions.search(context.control, text, regex=regex, limit=limit, most=_MATCHES)
    found = []
    async for row, line in matches:
        if as_json:
            found.append(_json(row) | {"time": line.time, "line": line.line})
            continue
        context.console.line(f"{row.id} {length(line.time)} {row.identity} {_where(row)}: {line.line}")
        await context.console.drain()
    if as_json:
        context.console.json(found)


@command.command("kill", example='bastion sessions kill ID --reason "wrong host"')
@click.argument("session_id", metavar="ID")
@click.option("--reason", default="", help="Goes into the journal and to the session's user.")
@json_option
@click.pass_obj
async def kill(context: ServerContext, session_id: str, reason: str, as_json: bool) -> None:
    """End a live session now."""
    row = await sessions.kill(context.control, session_id, reason)
    if as_json:
        context.console.json(_json(row))
    else:
        context.console.line(f"ended session {row.id} of {row.identity} on {_where(row)}")


def _where(row: SessionRow) -> str:
    return f"{row.login}@{row.target}" if row.login else row.target


def _json(row: SessionRow) -> dict[str, object]:
    return {
        "id": row.id,
        "identity": row.identity,
        "issuer": row.issuer,
        "kind": str(row.kind),
        "target": row.target,
        "login": row.login,
        "channel": row.channel,
        "command": row.command,
        "started": rfc3339(row.started),
        "ended": rfc3339(row.ended) if row.ended else None,
        "exit_status": row.exit_status,
        "verdict": row.verdict,
        "bytes_in": row.bytes_in,
        "bytes_out": row.bytes_out,
        "recording": row.recording,
        "sha256": row.sha256,
        "masked": dict(row.masked),
        "connection": row.connection,
    }


def _row(context: ServerContext, row: SessionRow) -> list[str]:
    lasted = length(((row.ended or context.control.now) - row.started).total_seconds())
    started = f"{row.started:%m-%d %H:%MZ}" if context.terminal.is_tty else moment(row.started)
    state = row.exit_status or "-" if row.ended else "live"
    return [row.id, started, lasted, row.identity, _where(row), state, row.command or row.channel]
