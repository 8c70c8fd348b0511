"""`bastion policy …`: what the rules would say, and the rules that are shipped."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.text import Text

from bastion.auth.access import ANY_LOGIN, Access
from bastion.config.file import load
from bastion.config.schema import Config, Rule, Target
from bastion.errors import AccessDenied, ConfigError
from bastion.instances import every, find
from bastion.model import Action, ChannelKind, Identity, Kind, Verdict, utcnow
from bastion.policy import pack
from bastion.policy.explain import explain as as_data
from bastion.policy.rules import CommandContext, RuleSet
from bastion.reading import CommandReader
from cli.command import Group, Place, config_option, json_option
from cli.console import STYLES, Column, Console, safe
from cli.local import LocalContext


@click.group("policy", cls=Group)
def command() -> None:
    """Try the rules of a configuration, and list those that are shipped."""


@command.command("packs", place=Place.LOCAL, example="bastion policy packs secrets")
@json_option
@click.argument("name", required=False, type=click.Choice(pack.names()), metavar="[NAME]")
@click.pass_obj
async def packs(context: LocalContext, as_json: bool, name: str | None) -> None:
    """List the shipped packs of dangerous operations, or what one of them matches.

    A rule of bastion.toml switches them on: packs = ["files", "disks"].
    """
    console = Console(context.terminal)
    shipped = [pack.rule(each) for each in ((name,) if name else pack.names())]
    if as_json:
        told = [{"name": rule.name, "reason": rule.reason, **_patterns(rule)} for rule in shipped]
        console.json(told[0] if name else told)
    elif name:
        console.line(f"{name}: {shipped[0].reason}")
        for key, texts in _patterns(shipped[0]).items():
            for text in texts:
                console.line(f"  {text}" if key == "commands" else f"  {key}: {text}")
    else:
        rows = [(rule.name, str(sum(map(len, _patterns(rule).values()))), rule.reason) for rule in shipped]
        console.table((Column("NAME"), Column("PATTERNS"), Column("WHAT IT GUARDS AGAINST")), rows, empty="")


def _patterns(rule: Rule) -> dict[str, tuple[str, ...]]:
    sql = rule.sql.statements if rule.sql is not None else ()
    return {"commands": rule.commands, "regex": rule.regex, "sql": sql}


@command.command(
    "explain",
    place=Place.LOCAL,
    example="bastion policy explain -c bastion.toml --user alice --groups eng --target web-1 -- 'rm -rf /'",
)
@config_option
@click.option("--user", required=True, help="Who would run it.")
@click.option("--groups", default="", metavar="G,H", help="Their groups, with commas between.")
@click.option("--target", required=True, help="Where.")
@click.option("--login", default="", help="As whom there; the first login they have, if none is given.")
@click.option(
    "--kind", type=click.Choice([str(kind) for kind in Kind]), default="human", show_default=True, help="Who."
)
@click.option("--at", "moment", metavar="TIME", help="When, as in 2026-12-24T23:30Z; now, if it is not given.")
@json_option
@click.argument("words", metavar="CMD", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
async def explain(
    context: LocalContext,
    config: Path,
    user: str,
    groups: str,
    target: str,
    login: str,
    kind: str,
    moment: str | None,
    as_json: bool,
    words: tuple[str, ...],
) -> None:
    """Say what would happen to a command, by which rule, and how it was understood. Nothing is run.

    A single "-" as the command is read from standard input.
    """
    when = utcnow() if moment is None else _moment(moment)
    loaded = load(config, context.environment)
    place = find(loaded, target)
    if place is None:
        known = ", ".join(sorted(found.name for found in every(loaded)))
        raise ConfigError(f"{config}: there is no target {target}; there are {known}")
    names = tuple(group for group in groups.split(",") if group)
    who = Identity(user, "", user, names, Kind(kind), 0, utcnow())
    text = " ".join(words).encode("utf-8", "surrogateescape")
    asked = CommandContext(who, place, login, ChannelKind.EXEC, lambda: when)
    answer = await _explain(loaded, asked, await _all_input(context) if words == ("-",) else text)
    console = Console(context.terminal)
    console.json(answer) if as_json else _draw(console, answer)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no time; write it as in 2026-12-24T23:30Z") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


async def _all_input(context: LocalContext) -> bytes:
    parts = []
    while part := await context.terminal.read():
        parts.append(part)
    return b"".join(parts)


async def _explain(config: Config, asked: CommandContext, command: bytes) -> dict[str, object]:
    who, target = asked.identity, asked.target
    reader = CommandReader(spares=0)
    try:
        understanding = await reader.understand(command)
    finally:
        await reader.close()
    login = asked.login or _first_login(config, who, target)
    try:
        grant = Access(config).grant(who, target.name, login)
    except AccessDenied:
        reason = f"no role lets this user reach {target.name}" + (f" as {login}" if login else "")
        return dict(as_data(Verdict(Action.DENY, "", reason), understanding))
    verdict = RuleSet(config.rules).decide(replace(asked, login=grant.login), understanding, command, grant.default)
    return dict(as_data(verdict, understanding))


def _first_login(config: Config, who: Identity, target: Target) -> str:
    lines = Access(config).lines(who, target)
    logins = [login for line in lines if line.access == "granted" for login in line.logins]
    return logins[0].replace(ANY_LOGIN, who.name) if logins else ""


def _draw(console: Console, answer: dict[str, object]) -> None:
    verdict = str(answer["verdict"])
    rule = f"by rule {safe(str(answer['rule']))}" if answer["rule"] else "by default" if not answer["reason"] else ""
    line = Text(verdict, style=f"bold {STYLES[verdict]}").append(f" {rule}" if rule else "", style="not bold default")
    if answer["reason"]:
        line.append(f": {safe(str(answer['reason']))}", style="not bold default")
    console.draw(line)
    if answer["approvers"]:
        console.line(f"approvers: {', '.join(map(str, _list(answer['approvers'])))}")
    console.text("would run:")
    for argv in _list(answer["commands"]):
        console.draw(_command([str(word) for word in _list(argv)]))
    for opaque in _list(answer["opaque"]):
        assert isinstance(opaque, dict)
        console.draw(
            Text(f"not certain ({opaque['reason']})", style="yellow").append(
                f": {safe(str(opaque['detail']))}", style="default"
            )
        )


def _command(words: list[str]) -> Text:
    """Return a command to draw: the program stands out."""
    drawn = Text("  ")
    for number, word in enumerate(words):
        drawn.append(" " if number else "").append(safe(_word(word)), style="" if number else "bold cyan")
    return drawn


def _word(word: str) -> str:
    """Set a word apart where it could be taken for several, or for none."""
    return word if word and " " not in word else f"'{word}'"


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value
