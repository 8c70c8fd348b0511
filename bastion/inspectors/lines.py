"""Lines typed in mid-stream: which texts each may stand for, and what is known of the shell between lines.

A codec says what the screen and the keys show. Here that becomes the texts to be decided; the strictest one counts.
A command may go over several lines, and a line may go to a program that an earlier one started. Two strengths: by
"mistakes" the likely readings count; by "strict" all that can't be ruled out, and every doubt is a reason to ask. Pure:
understanding a text and deciding on it is done elsewhere, and told to `Lines.passed`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bastion.policy.understanding import Command, Opaque, Reason, SQLText, Understanding, literal
from bastion.protocols.base import Line, Place

MAX_TEXT = 65_536
"""Characters of a command over several lines that are followed."""

_STARTS_MAX = 8  # lines back from which a command may have begun, as far as strict looks
HISTORY = "history expansion: what will run is not on the line"
NOT_SHOWN = "not shown"
TAKES_HOOK = "it may take away what has the shell ask before it runs anything"

_HISTORY = re.compile(r"(?:^|[^\\\[$({])!(?![\s=(\"]|$)|^\^")
_BUILTINS = "builtin|command|printf|read|kill|local|return|unset|shopt|history|trap|emulate"
_TAKES_HOOK = re.compile(
    r"__bastion_|\b(?:trap|PS0|PROMPT_COMMAND|extdebug|functrace|promptvars|COMP_LINE|preexec\w*|precmd\w*|TRAP[A-Z]+)\b"
    rf"|\bset\s+[-+]\w*T|\b(?:enable|disable)\b|\b(?:{_BUILTINS})\s*\(\s*\)|\bfunction\s+(?:{_BUILTINS})\b"
)
_COMMENT = re.compile(r"(^|[\s;&|(])#")
_WORD = re.compile(r"[^\s;&|(){}]+")
_WORDS_MAX = 32
# How clients of databases begin what is for a shell: .shell, \\! and \\o |, system
_ESCAPE = re.compile(r"^\s*\.\w+|\\!|\\\w+|^\s*(?:system|pager|source)\b", re.IGNORECASE)
_SINGLE_QUOTED = re.compile(r"'[^']*'")
_UNFINISHED = re.compile(
    r"reached EOF|unclosed here-document|must be followed by (?:an? )?(?:statement|`do`|`then`|expression|word|pattern)"
    r"|must end with `(?:fi|done|esac|\})"
)
# bash takes a brace behind a blank for a word, zsh for the end of what an opening brace began
_ZSH_CLOSES = re.compile(r"[{]\s.*\s[}](?=[\s;&|)]|\Z)", re.DOTALL)
_FUNCTION = re.compile(r"(?:^|[\s;&|({])(?:function\s+([^\s(){}]+)|([^\s(){};&|=]+)\s*\(\s*\))")
_DATABASES = {"psql": "postgres", "mysql": "mysql", "mariadb": "mysql", "sqlite3": "sqlite", "sqlite": "sqlite"}
_SHELLS = frozenset({"bash", "sh", "dash", "zsh", "ksh", "mksh", "ash", "fish", "rbash"})
_HOSTS = frozenset(
    {"sudo", "su", "doas", "ssh", "docker", "podman", "kubectl", "chroot", "nsenter", "machinectl", "login"}
)
_SCREENS = frozenset({"tmux", "screen", "byobu", "zellij", "dtach", "script"})


@dataclass(frozen=True, slots=True)
class Reading:
    """A text that a line may stand for. `firm`: what can't be understood of it counts too, not only what is flagged.

    `escape`: a program that is no shell gives it to one.
    """

    text: str
    firm: bool = True
    escape: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What to decide about a line. Without readings and doubts it passes.

    `shown` is the command for people, from where it began.
    """

    readings: tuple[Reading, ...]
    doubts: tuple[str, ...]
    shown: str


@dataclass(frozen=True, slots=True)
class _Inside:
    """A program that reads lines now; `prompt` is the one that comes back when it ends."""

    program: str
    prompt: str


class Lines:
    """Follows the lines of one channel."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._begun: list[str] = []  # lines of a command that is not complete
        self._prompt = ""  # the one its first line stands behind
        self._last = ""
        self._inside: list[_Inside] = []
        self._statement = ""  # SQL that has not ended
        self._editor_seen = False
        self._screen_open = False  # a person let a full-screen program have its keys

    @property
    def database(self) -> str:
        """The SQL dialect of the database client that reads lines now, else an empty text."""
        return _DATABASES.get(self._program, "")

    @property
    def _program(self) -> str:
        return self._inside[-1].program if self._inside else ""

    def plan(self, line: Line) -> Plan:
        """Return what to decide before a line may go on."""
        if line.place is Place.HOOK:
            return self._plan_hook(line)
        self._leave(line.prompt)
        if line.place is not Place.SCREEN:
            self._screen_open = False
        elif not self._reads_screens():
            return self._plan_screen()
        secret = not line.echo and line.place is Place.PROGRAM and not line.familiar
        if secret and not self._strict:
            return Plan((), (), NOT_SHOWN)  # a secret, most likely: neither judged nor written down
        texts = self._texts(line)
        doubts = list(line.doubts) if self._strict or not texts else []
        if self._strict and any(_expands_history(text) for text in texts):
            doubts.append(HISTORY)
        if secret:
            return Plan((), tuple(doubts), NOT_SHOWN)
        self._editor_seen = self._editor_seen or line.place is Place.PROMPT
        data = self._editor_seen and line.place is Place.PROGRAM and not self._strict
        readings = [Reading(self._expanded(text), firm=not (self._foreign or data)) for text in texts]
        readings = [*self._begun_with(readings, line), *(Reading(text, firm=False) for text in self._others(line))]
        readings += self._uncommented(readings)
        readings += [Reading(part, firm=False, escape=True) for text in texts for part in self._escapes(text)]
        shown = " | ".join(reading.text for reading in readings[: len(texts)]) or " | ".join(line.others) or "?"
        return Plan(_distinct(readings), tuple(doubts), shown if line.echo else NOT_SHOWN)

    def understood(self, reading: Reading) -> Understanding | None:
        """Return the understanding of a text that no shell reads, None where a shell does."""
        if not self.database or reading.escape:
            return None
        text = f"{self._statement}\n{reading.text}".strip()
        command = Command((literal(self._program),), sql=(SQLText(self.database, text),))
        return Understanding(reading.text, (command,))

    def continues(self, understanding: Understanding) -> bool:
        """Return whether a shell would wait for more lines of a text."""
        if self.database:
            return False
        text = understanding.text
        if (len(text) - len(text.rstrip("\\"))) % 2:
            return True
        syntax = [item.detail for item in understanding.opaque if item.reason is Reason.SYNTAX]
        if not syntax or understanding.commands or ("{" in syntax[0] and _ZSH_CLOSES.search(text)):
            return False
        return bool(_UNFINISHED.search(syntax[0]))

    def passed(self, line: Line, reading: Reading | None, understanding: Understanding | None, *, more: bool) -> None:
        """Take that a line went on; `reading` is the one taken for what runs, None where nothing was read."""
        if line.place is Place.SCREEN and reading is None:
            self._screen_open = True
        part = line.place is Place.HOOK and line.screen is None
        if reading is None or understanding is None or line.place is Place.PASTE or part:
            return
        if self.database:
            ended = reading.text.rstrip().endswith((";", "\\g", "\\G")) or reading.text.startswith("\\")
            self._statement = "" if ended else f"{self._statement}\n{reading.text}"[-MAX_TEXT:]
            return
        if more:
            begun = "\n".join([*self._begun, ""])
            if not self._begun or not reading.text.startswith(begun):
                self._begun, self._prompt, begun = [], line.prompt, ""
            self._begun.append(reading.text.removeprefix(begun))
            return
        self._begun = []
        if reading.text.strip():
            self._last = reading.text
        self._enter(line.prompt, understanding)

    def _texts(self, line: Line) -> list[str]:
        """Return what the line is by the screen and by the keys, without telling apart what says the same."""
        found = [text for text in (line.screen, line.typed) if text is not None]
        if line.screen == "" and line.typed:
            found.remove("")
        return list(dict.fromkeys(found))

    def _others(self, line: Line) -> tuple[str, ...]:
        return line.others if self._strict or (line.screen is None and line.typed is None) else ()

    def _escapes(self, text: str) -> list[str]:
        """Return what a database's client may give to a shell."""
        if not self.database:
            return []
        rests = [text[found.end() :] for found in _ESCAPE.finditer(text)]
        return [part.strip() for rest in rests for part in (rest, *re.split(r"[|`]", rest)) if part.strip()]

    def _uncommented(self, readings: list[Reading]) -> list[Reading]:
        """Return the readings as zsh has them, which knows no comments in typed lines unless it is told to."""
        if not self._strict:
            return []
        changed = [(_COMMENT.sub(r"\1\\#", reading.text), reading) for reading in readings]
        return [Reading(text, reading.firm) for text, reading in changed if text != reading.text]

    def _begun_with(self, readings: list[Reading], line: Line) -> list[Reading]:
        """Put the lines before in front, where a command is not complete; and leave them out where that is unsure."""
        if not self._begun:
            return readings
        begun, alone = self._begun, list(readings)
        firm = [Reading("\n".join([*begun, reading.text]), reading.firm) for reading in readings]
        # The prompt of the first line is back: the shell gave that command up, or it was cancelled.
        again = line.interrupted or (bool(line.prompt.strip()) and line.prompt == self._prompt)
        if not self._strict:
            return [*alone, *(Reading(one.text, firm=False) for one in firm)] if again else firm
        starts = [
            Reading("\n".join([*begun[place:], reading.text]), firm=False)
            for reading in readings
            for place in range(max(len(begun) - _STARTS_MAX, 0), len(begun) + 1)
        ]
        return [*(alone if again else firm), *starts]

    def _plan_screen(self) -> Plan:
        if not self._strict or self._screen_open:
            return Plan((), (), NOT_SHOWN)
        last = f" (the last command: {self._last})" if self._last else ""
        return Plan((), (f"keys for a program that fills the screen{last}",), NOT_SHOWN)

    def _plan_hook(self, line: Line) -> Plan:
        """Return what to decide about what the shell itself says that it runs: no other program reads now."""
        self._inside, self._begun, self._statement, self._screen_open = [], [], "", False
        known = [Reading(line.screen)] if line.screen is not None else []
        readings = [*known, *(Reading(other, firm=False) for other in line.others)]
        shown = line.screen if line.screen is not None else " | ".join(line.others) or NOT_SHOWN
        return Plan(_distinct([*readings, *self._uncommented(known)]), line.doubts, shown)

    def _reads_screens(self) -> bool:
        return self._program in _SCREENS

    @property
    def _foreign(self) -> bool:
        """Whether a program other than a shell reads lines: what is no shell's text is nothing to wonder at then."""
        return bool(self._program) and self._program not in _SHELLS | _HOSTS

    def _enter(self, prompt: str, understanding: Understanding) -> None:
        if not any(item.reason is Reason.INTERPRETER_STDIN for item in understanding.opaque):
            return
        names = [(command.argv[0].text or "").rpartition("/")[2] for command in understanding.commands if command.argv]
        self._inside.append(_Inside(names[-1] if names else "", prompt))
        self._statement = ""

    def _leave(self, prompt: str) -> None:
        """Note which programs have ended, by a prompt that is back."""
        for place, inside in enumerate(self._inside):
            if inside.prompt.strip() and inside.prompt == prompt:
                del self._inside[place:]
                self._statement = ""
                return

    def _expanded(self, text: str) -> str:
        """Put the last line in for `!!`, as bash and zsh do, where it is known."""
        return text.replace("!!", self._last) if "!!" in text and self._last else text


def with_doubts(understanding: Understanding, doubts: Sequence[str]) -> Understanding:
    """Return an understanding that also says why the line it was read from is not certain."""
    if not doubts:
        return understanding
    opaque = tuple(Opaque(Reason.TERMINAL, doubt) for doubt in doubts)
    return Understanding(understanding.text, understanding.commands, understanding.opaque + opaque)


def definitions(understanding: Understanding) -> list[str]:
    """Return texts that show what a later line could run by the names of functions that this one defines."""
    names = [found.group(1) or found.group(2) for found in _FUNCTION.finditer(understanding.text)]
    return [f"{understanding.text}\n{name}" for name in dict.fromkeys(names)]


def takes_hook(understanding: Understanding) -> bool:
    """Return whether a text may take away what has the shell ask, as it stands or with its quotes removed."""
    words = [" ".join(word.text or "" for word in command.argv) for command in understanding.commands]
    return any(_TAKES_HOOK.search(text) for text in (understanding.text, *words))


def short_forms(text: str) -> list[str]:
    """Return what a shell with short forms (`if true { x }`, `for i in a; x`) may run at once of such a line."""
    last = text.rpartition("\n")[2]
    return [last[found.start() :] for found in _WORD.finditer(last)][1 : _WORDS_MAX + 1]


def _expands_history(text: str) -> bool:
    return bool(_HISTORY.search(_SINGLE_QUOTED.sub("", text)))


def _distinct(readings: Sequence[Reading]) -> tuple[Reading, ...]:
    """Return each text once, firm where any of its readings is."""
    firm = {(reading.text, reading.escape) for reading in readings if reading.firm}
    kinds = dict.fromkeys((reading.text, reading.escape) for reading in readings)
    return tuple(Reading(text, (text, escape) in firm, escape) for text, escape in kinds)
