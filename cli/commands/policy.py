"""`bastion policy …`: what the rules would say."""

from pathlib import Path

import click
from rich.text import Text

from bastion.auth.access import ANY_LOGIN, Access
from bastion.config.file import load
from bastion.config.schema import Config, Target
from bastion.errors import AccessDenied, ConfigError
from bastion.instances import every, find
from bastion.model import Action, ChannelKind, Identity, Kind, Verdict, utcnow
from bastion.policy.explain import explain as as_data
from bastion.policy.rules import CommandContext, RuleSet
from bastion.reading import CommandReader
from cli.command import Group, Place, config_option, json_option
from cli.console import STYLES, Console, safe
from cli.local import LocalContext


@click.group("policy", cls=Group)
def command() -> None:
    """Try the rules of a configuration."""


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
    as_json: bool,
    words: tuple[str, ...],
) -> None:
    """Say what would happen to a command, by which rule, and how it was understood. Nothing is run."""
    loaded = load(config, context.environment)
    place = find(loaded, target)
    if place is None:
        known = ", ".join(sorted(found.name for found in every(loaded)))
        raise ConfigError(f"{config}: there is no target {target}; there are {known}")
    names = tuple(group for group in groups.split(",") if group)
    who = Identity(user, "", user, names, Kind(kind), 0, utcnow())
    answer = await _explain(loaded, who, place, login, " ".join(words).encode("utf-8", "surrogateescape"))
    console = Console(context.terminal)
    console.json(answer) if as_json else _draw(console, answer)


async def _explain(config: Config, who: Identity, target: Target, login: str, command: bytes) -> dict[str, object]:
    reader = CommandReader(spares=0)
    try:
        understanding = await reader.understand(command)
    finally:
        await reader.close()
    login = login or _first_login(config, who, target)
    try:
        grant = Access(config).grant(who, target.name, login)
    except AccessDenied:
        reason = f"no role lets this user reach {target.name}" + (f" as {login}" if login else "")
        return dict(as_data(Verdict(Action.DENY, "", reason), understanding))
    context = CommandContext(who, target, grant.login, ChannelKind.EXEC)
    verdict = RuleSet(config.rules).decide(context, understanding, command, grant.default)
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
        console.line("  " + " ".join(_word(str(word)) for word in _list(argv)))
    for opaque in _list(answer["opaque"]):
        assert isinstance(opaque, dict)
        console.line(f"not certain ({opaque['reason']}): {opaque['detail']}")


def _word(word: str) -> str:
    """Set a word apart where it could be taken for several, or for none."""
    return word if word and " " not in word else f"'{word}'"


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value
