"""Database clients: the SQL they are given, and their own commands that leave SQL (`\\!`, `.shell`, `system`)."""

import re
from dataclasses import dataclass

from bastion.policy import calls, options
from bastion.policy.context import Call, Context, Handler, InputKind
from bastion.policy.fields import as_code
from bastion.policy.understanding import Reason, Word, literal


@dataclass(frozen=True, slots=True)
class _Client:
    """A client's dialect and options; `operand`: which operand is SQL, where one is."""

    dialect: str
    options: str
    sql: tuple[str, ...]
    files: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    operand: int | None = None


_PSQL = """
    AabeEHLnNqsSwWxXtlVz01?c:d:f:v:F:h:o:p:P:R:T:U:L: command= dbname= file= list set= variable= version no-psqlrc
    single-transaction help=? echo-all echo-errors echo-queries echo-hidden log-file= no-readline output= quiet
    single-step single-line no-align csv field-separator= html pset= record-separator= tuples-only table-attr=
    expanded field-separator-zero record-separator-zero host= port= username= no-password password
"""
_MYSQL = """
    ABbCcEfGHiLNnoqrsTtUvVwXe:D:h:p:u:P:S:O: auto-rehash no-auto-rehash batch column-names skip-column-names
    compress database= host= execute= force help html ignore-spaces line-numbers no-beep user= password=? port=
    protocol= quick raw reconnect safe-updates silent socket= table verbose version vertical wait xml defaults-file=
    defaults-extra-file= no-defaults ssl-mode= ssl-ca= ssl-cert= ssl-key= ssl=? connect-timeout=
    default-character-set= init-command= login-path= enable-cleartext-plugin binary-mode unbuffered one-database
    skip-ssl pager=? tee= delimiter=
"""
_CLIENTS = {
    "psql": _Client("postgres", _PSQL, ("c", "command"), ("f", "file"), ("l", "list", "V", "version", "help", "?")),
    "mysql": _Client("mysql", _MYSQL, ("e", "execute", "init-command"), (), ("V", "version", "help", "?")),
    "mariadb": _Client("mysql", _MYSQL, ("e", "execute", "init-command"), (), ("V", "version", "help", "?")),
    "sqlite3": _Client("sqlite", "", ("-cmd",), ("-init",), ("-version", "-help"), 1),
    "sqlite": _Client("sqlite", "", ("-cmd",), ("-init",), ("-version", "-help"), 1),
    "duckdb": _Client("sqlite", "", ("-cmd", "-c", "-s"), ("-init", "-f"), ("-version", "-help"), 1),
}
_MYSQL_ATTACHED = frozenset("p")  # -p takes a value only where it is attached


def _client(run: Context, call: Call) -> None:
    client = _CLIENTS[call.name]
    call.io.stdout.write_unknown(call.index)
    words = call.arguments
    if client.dialect == "mysql":
        words = [word for word in words if not _is_password(word)]
    read = _sqlite_options(words) if client.dialect == "sqlite" else options.read(client.options, words, permute=True)
    if read.unsure is not None:
        run.doubt(Reason.WRAPPER, f"{call.name} with {read.unsure.shown}")
        run.add_sql(call.index, client.dialect, None)
        return
    if any(read.has(name) for name in client.quiet):
        return
    for value in read.values(*client.files):
        run.doubt(Reason.SCRIPT_FILE, f"{call.name} reads {value.shown}")
        run.add_sql(call.index, client.dialect, None)
    if read.has("pager"):
        run.doubt(Reason.REBINDING, f"{call.name} --pager")
    texts = read.values(*client.sql)
    if client.operand is not None:
        texts = [*texts, *read.rest[client.operand :]]
    for text in texts:
        script(run, call, client.dialect, text)
    if not texts and not read.values(*client.files):
        _input(run, call, client.dialect)


def _is_password(word: Word) -> bool:
    """Whether a word is mysql's `-p`, alone or with the password attached; it never takes the next word."""
    head = word.parts[0] if word.parts else ""
    return isinstance(head, str) and re.match(r"-p", head) is not None


_SQLITE_VALUED = frozenset(
    {"-cmd", "-init", "-separator", "-newline", "-nullvalue", "-mmap", "-vfs", "-maxsize", "-c", "-s", "-f"}
)


def _sqlite_options(words: list[Word]) -> options.Options:
    result = options.Options([], [])
    place = 0
    while place < len(words):
        text = words[place].text
        if text is not None and text.startswith("-") and len(text) > 1:
            name = "-" + text.lstrip("-")
            valued = name in _SQLITE_VALUED
            following = words[place + 1] if valued and place + 1 < len(words) else None
            result.found.append((name, following))
            place += 2 if valued else 1
        else:
            result.rest.append(words[place])
            place += 1
    return result


def _input(run: Context, call: Call, dialect: str) -> None:
    stdin = call.io.stdin
    if stdin.kind is InputKind.CHANNEL:
        run.doubt(Reason.INTERPRETER_STDIN, f"{call.name} reads statements from the channel")
    elif stdin.kind is InputKind.FILE:
        run.doubt(Reason.SCRIPT_FILE, f"{call.name} reads statements from a file")
    elif stdin.text is not None:
        script(run, call, dialect, stdin.text)
        return
    elif stdin.kind is InputKind.PIPE:
        run.doubt(run.code_reason(stdin.origins, Reason.SQL), f"statements piped into {call.name}")
    if stdin.kind is not InputKind.NOTHING:
        run.add_sql(call.index, dialect, None)


_META = {
    "postgres": re.compile(r"^\s*\\(\w+|!)\s*(.*)$", re.MULTILINE),
    "mysql": re.compile(
        r"^\s*(?:\\)?(!|system|source|pager|edit|tee)\b\s*(.*)$|\\(!|\.|P)\s*(.*)$", re.MULTILINE | re.IGNORECASE
    ),
    "sqlite": re.compile(r"^\s*\.(\w+)\s*(.*)$", re.MULTILINE),
}
_HARMLESS_META = frozenset(
    {
        "d",
        "dt",
        "du",
        "l",
        "dn",
        "df",
        "dv",
        "di",
        "ds",
        "dx",
        "dp",
        "x",
        "a",
        "t",
        "q",
        "c",
        "conninfo",
        "timing",
        "pset",
        "echo",
        "z",
        "sf",
        "sv",
        "dRp",
        "drds",
        "db",
        "dC",
        "dT",
        "dd",
        "encoding",
        "errverbose",
        "h",
        "dti",
        "set",
    }
    | {
        "tables",
        "schema",
        "headers",
        "mode",
        "quit",
        "exit",
        "databases",
        "indexes",
        "dump",
        "stats",
        "width",
        "timer",
        "separator",
        "nullvalue",
        "print",
        "show",
        "fullschema",
    }
)


def script(run: Context, call: Call, dialect: str, word: Word) -> None:
    """Follow a text given to a client: its own commands, then SQL."""
    text = as_code(word)
    if text is None:
        run.doubt(run.code_reason(word.origins, Reason.SQL), f"{call.name}: {word.shown}")
        run.add_sql(call.index, dialect, None)
        return
    rest = _META[dialect].sub(lambda match: _meta(run, call, match), text)
    if dialect == "postgres" and "\\" in rest:
        rest = re.sub(r"\\(?:g|gx|watch)\b[^\n|]*(?=\n|\Z)", ";", rest)
        if re.search(r"\\(?!')\w", re.sub(r"'(?:[^']|'')*'", "", rest)):
            run.doubt(Reason.SQL, f"{call.name}: a command inside a statement")
    elif dialect == "mysql":
        rest = re.sub(r"\\[Gg](?=\s*(?:;|\Z|\n))", ";", rest)
    _programs(run, call, dialect, rest)
    if rest.strip():
        run.add_sql(call.index, dialect, rest)


_COPY = re.compile(
    r"\bcopy\b.*?\b(?:to|from)\s+program\s+(?:'((?:[^']|'')*)'|\$(\w*)\$(.*?)\$\2\$|)", re.IGNORECASE | re.DOTALL
)
_LOADS = re.compile(r"\b(load_extension|edit|writefile)\s*\(", re.IGNORECASE)


def _programs(run: Context, call: Call, dialect: str, text: str) -> None:
    """Follow the programs that statements start, and note functions of SQLite that load code or write files."""
    for match in _COPY.finditer(text) if dialect == "postgres" else ():
        code = match[1].replace("''", "'") if match[1] is not None else match[3]
        if code is None:
            run.doubt(Reason.SQL, f"{call.name}: copy with a program")
        else:
            calls.own_shell(run, call, literal(code), what="copy program")
    if dialect == "sqlite" and (found := _LOADS.search(text)) is not None:
        run.doubt(Reason.FOREIGN_CODE, f"{call.name}: {found[1]}()")


def _meta(run: Context, call: Call, match: re.Match[str]) -> str:
    groups = [group for group in match.groups() if group is not None]
    name, argument = groups[0].lower(), groups[1] if len(groups) > 1 else ""
    if name in {"!", "system", "shell"}:
        calls.own_shell(run, call, literal(argument), what=f"{call.name} {name}")
    elif name in {"i", "ir", "include", "include_relative", "source", ".", "read"}:
        piped = argument.lstrip().startswith("|")
        run.doubt(Reason.EVAL if piped else Reason.SCRIPT_FILE, f"{call.name} {name} {argument}")
    elif name not in _HARMLESS_META or "|" in argument or "`" in argument:
        run.doubt(Reason.SQL, f"{call.name} {name} {argument}")
    return ""


def handler(name: str) -> Handler | None:
    """Return what follows the client of this name, else None."""
    return _client if name in _CLIENTS else None
