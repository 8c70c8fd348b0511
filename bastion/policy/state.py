"""What a shell knows while the analysis follows it: variables, functions, parameters, directory.

One known value or "not known"; where branches meet, values that differ become unknown. A variable that the text never
sets comes from outside and is unknown.
"""

from dataclasses import dataclass, field, replace

from bastion.policy.tree import Node
from bastion.policy.understanding import Hole, Part, Unknown, Word, literal

MAX_DIRECTORIES = 4  # alternatives kept for the working directory

HOME = Word((Unknown(Hole.HOME, "~"),))
ANYWHERE = Word((Unknown(Hole.ANY, "?"),))

_NUMBERS = frozenset(
    {"RANDOM", "SECONDS", "LINENO", "UID", "EUID", "PPID", "EPOCHSECONDS", "BASHPID", "SRANDOM", "OPTIND", "COLUMNS"}
    | {"LINES", "SHLVL", "HISTCMD", "?", "$", "!"}
)
_ONE_NAME = frozenset({"USER", "LOGNAME", "HOSTNAME", "-", "OSTYPE", "HOSTTYPE", "MACHTYPE"})


def unknown(shown: str, origins: frozenset[int] = frozenset()) -> Word:
    """Return a word that may be any text."""
    return Word((Unknown(Hole.ANY, shown, origins),))


def number(shown: str) -> Word:
    """Return a word that is some number."""
    return Word((Unknown(Hole.NUMBER, shown),))


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable the text has set. `value` None: unset. `elements` is None unless it is an array with known keys.

    `array` tells that it is an array; with `elements` None nothing is known of what it holds.
    """

    value: Word | None = None
    array: bool = False
    elements: tuple[tuple[str, Word], ...] | None = None
    exported: bool = False
    integer: bool = False
    reference: bool = False
    associative: bool = False


@dataclass(slots=True)
class State:
    """The changeable state of one shell."""

    variables: dict[str, Variable] = field(default_factory=dict)
    functions: dict[str, tuple[Node | None, ...]] = field(default_factory=dict)  # None: perhaps not defined
    positional: tuple[Word, ...] | None = ()
    name: Word = field(default_factory=lambda: literal("bash"))
    cwd: tuple[Word, ...] = (HOME,)
    failed_cwd: tuple[Word, ...] | None = None  # the directories if the last command failed
    options: frozenset[str] = frozenset()
    aliases: dict[str, Word] = field(default_factory=dict)
    locals: list[dict[str, Variable | None]] = field(default_factory=list)  # by function: values `local` hides
    hidden: bool = False  # something ran that may have changed any variable
    dead: bool = False  # behind an `exit`
    dialect: str = "bash"

    def copy(self) -> "State":
        """Return a state that changes apart from this one."""
        return replace(
            self,
            variables=dict(self.variables),
            functions=dict(self.functions),
            aliases=dict(self.aliases),
            locals=[dict(values) for values in self.locals],
        )

    def become(self, other: "State") -> None:
        """Take over all of another state."""
        for name in self.__slots__:
            setattr(self, name, getattr(other, name))

    def settle(self) -> None:
        """Forget whether the last command succeeded."""
        if self.failed_cwd is not None:
            if "errexit" not in self.options:
                self.cwd = merge_directories(self.cwd, self.failed_cwd)
            self.failed_cwd = None

    def lookup(self, name: str, shown: str) -> Word | None:
        """Return a variable's value as one word, or None where it is known to be unset."""
        variable = self.variables.get(name)
        if variable is None:
            return self._outside(name, shown)
        if variable.array:
            if variable.elements is None:
                return unknown(shown)
            return dict(variable.elements).get("0")
        return variable.value

    def _outside(self, name: str, shown: str) -> Word:
        if name == "HOME":
            return HOME
        if name == "PWD":
            return self.cwd[0] if len(self.cwd) == 1 and self.failed_cwd is None else unknown(shown)
        if name == "IFS":
            return unknown(shown) if self.hidden else literal(" \t\n")
        if name in _NUMBERS:
            return number(shown)
        if name in _ONE_NAME:
            return Word((Unknown(Hole.STAR, shown),))
        return unknown(shown)

    @property
    def separators(self) -> str | None:
        """The field separators (IFS), or None where they are not known."""
        value = self.lookup("IFS", "$IFS")
        return " \t\n" if value is None else value.text

    def assign(self, name: str, value: Word | None) -> None:
        """Set a variable, keeping its attributes; None makes it unknown no more but unset."""
        old = self.variables.get(name, Variable())
        self.variables[name] = replace(old, value=value, array=False, elements=None)

    def forget_variables(self) -> None:
        """Make every variable unknown: code that cannot be followed may have set it."""
        self.hidden = True
        for name, variable in self.variables.items():
            self.variables[name] = replace(variable, value=unknown("$" + name), elements=None)
        self.positional = None


def child_state(parent: State, dialect: str) -> State:
    """Return what a new shell knows: exported variables and the directory."""
    state = State(cwd=parent.cwd, dialect=dialect, hidden=parent.hidden)
    for name, variable in parent.variables.items():
        if variable.exported and not variable.array:
            state.variables[name] = replace(variable, integer=False, reference=False)
        elif variable.exported:
            state.variables[name] = Variable(exported=True)
    state.variables.pop("IFS", None)
    return state


def merge_directories(first: tuple[Word, ...], second: tuple[Word, ...]) -> tuple[Word, ...]:
    """Return the union of two sets of directories, `ANYWHERE` where it grows too large."""
    merged = tuple(dict.fromkeys(first + second))
    return merged if len(merged) <= MAX_DIRECTORIES else (ANYWHERE,)


def merge_words(first: Word | None, second: Word | None, shown: str) -> Word | None:
    """Return what is known of a value that is one or the other."""
    if first == second:
        return first
    if first is not None and second is not None:
        if is_number(first) and is_number(second):
            return number(shown)
        return unknown(shown, first.origins | second.origins)
    present = first or second
    return unknown(shown, present.origins if present else frozenset())


def is_number(word: Word) -> bool:
    """Whether a word is surely a decimal number."""
    text = word.text
    if text is not None:
        return text.lstrip("-").isascii() and text.lstrip("-").isdigit()
    return not word.many and all(_is_numeric(part) for part in word.parts)


def _is_numeric(part: Part) -> bool:
    return part.isdigit() if isinstance(part, str) else part.hole is Hole.NUMBER


def join(first: State, second: State) -> State:
    """Return the state where two branches meet."""
    if first.dead != second.dead:
        return (second if first.dead else first).copy()
    first.settle()
    second.settle()
    joined = first.copy()
    joined.hidden = first.hidden or second.hidden
    joined.options = first.options if first.options == second.options else first.options | second.options
    joined.cwd = merge_directories(first.cwd, second.cwd)
    joined.positional = first.positional if first.positional == second.positional else None
    joined.aliases = {**first.aliases, **second.aliases}
    for name in first.functions.keys() | second.functions.keys():
        bodies = [*first.functions.get(name, (None,)), *second.functions.get(name, (None,))]
        joined.functions[name] = tuple(body for index, body in enumerate(bodies) if body not in bodies[:index])
    for name in first.variables.keys() | second.variables.keys():
        joined.variables[name] = _join_variable(first, second, name)
    return joined


def _join_variable(first: State, second: State, name: str) -> Variable:
    one, other = first.variables.get(name), second.variables.get(name)
    if one is not None and one == other:
        return one
    shown = "$" + name
    known = one or other or Variable()
    array = bool((one and one.array) or (other and other.array))
    return Variable(
        value=merge_words(first.lookup(name, shown), second.lookup(name, shown), shown),
        array=array,
        exported=known.exported or bool(other and other.exported),
        integer=bool((one and one.integer) or (other and other.integer)),
        reference=bool((one and one.reference) or (other and other.reference)),
        associative=known.associative,
    )
