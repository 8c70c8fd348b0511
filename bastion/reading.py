"""Reading command texts: the parser processes around the pure analysis in `bastion.policy`.

mvdan/sh runs as `shfmt`, one process for one text, started beforehand so that a text does not wait for it;
tree-sitter runs in this process. Whatever goes wrong (no program, a crash, too slow) is an `Opaque` in the answer,
never an exception, never an empty answer. Texts are never logged. Answers are kept by their exact bytes.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from bastion.policy import analysis, crosscheck, dialects
from bastion.policy.state import HOME
from bastion.policy.tree import Parsed, Source, TreeTooDeepError, load
from bastion.policy.understanding import Reason, Understanding, Word

SPARES = 2  # processes kept ready for each dialect in use
TIMEOUT = 5.0  # seconds for one text
CACHED = 2_048
MAX_CACHED_BYTES = 4_096  # longer texts are not kept
MAX_SCRIPT = 65_536  # bytes of a script that are followed as they come, each time from the beginning
MAX_TREE = 8 * 1024 * 1024  # bytes of a syntax tree as it is printed, about a hundred times the text
LONG = 4_096  # bytes of a text that is analysed on a thread of its own, so that nobody else waits for it

T = TypeVar("T")

_POSITION = re.compile(r"(?:<standard input>:)?(\d+):\d+: ")
_REPAIRS = 4  # attempts to read what shells run though the parser refuses it
_SPLITS = 8  # attempts to find where the complete part of a script ends


def find_shfmt() -> str | None:
    """Return the path of the shfmt program: beside this Python, else on the PATH."""
    beside = Path(sys.executable).parent / "shfmt"
    return str(beside) if beside.is_file() else shutil.which("shfmt")


class _Pool:
    """Keeps shfmt processes waiting for their one text."""

    def __init__(self, program: str, dialect: str, spares: int) -> None:
        self._command = (program, "-ln", dialect, "--to-json")
        self._spares = spares
        self._ready: list[asyncio.subprocess.Process] = []
        self._filling: set[asyncio.Task[None]] = set()
        self._closed = False

    async def run(self, text: bytes) -> tuple[int, bytes, bytes]:
        """Give a text to a process; return its exit status, output and error output."""
        process = self._ready.pop() if self._ready else await self._start()
        self._refill()
        try:
            async with asyncio.timeout(TIMEOUT):
                output, errors = await _answer(process, text)
        finally:
            await _end(process)
        return process.returncode or 0, output, errors

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            *self._command, stdin=pipe, stdout=pipe, stderr=pipe, env={}, start_new_session=True
        )

    def _refill(self) -> None:
        while not self._closed and len(self._ready) + len(self._filling) < self._spares:
            task = asyncio.create_task(self._add())
            self._filling.add(task)
            task.add_done_callback(self._filling.discard)

    async def _add(self) -> None:
        try:
            process = await self._start()
        except OSError:
            return  # the next text will try again and say so
        if self._closed:
            await _end(process)
        else:
            self._ready.append(process)

    async def close(self) -> None:
        self._closed = True
        if self._filling:
            await asyncio.wait(set(self._filling))
        while self._ready:
            await _end(self._ready.pop())


class _TreeTooLargeError(Exception):
    """The parser printed more than `MAX_TREE` bytes."""


async def _answer(process: asyncio.subprocess.Process, text: bytes) -> tuple[bytes, bytes]:
    """Give a process its input and return its output and error output, bounded. Raises _TreeTooLargeError."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has ended, and says why
        process.stdin.write(text)
        await process.stdin.drain()
        process.stdin.close()
    blocks: list[bytes] = []
    size = 0
    while block := await process.stdout.read(1 << 16):
        blocks.append(block)
        size += len(block)
        if size > MAX_TREE:
            raise _TreeTooLargeError
    errors = await process.stderr.read(1 << 16)
    await process.wait()
    return b"".join(blocks), errors


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process, and whatever it may have started, if it has not ended by itself."""
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    for output in (process.stdout, process.stderr):  # asyncio waits in vain for one whose pipe nobody reads to its end
        while output is not None and await output.read(1 << 16):
            pass
    await process.wait()


class CommandReader:
    """Understands command texts. Use from one event loop; `close` when done."""

    def __init__(self, program: str | None = None, *, spares: int = SPARES) -> None:
        self._program = program if program is not None else find_shfmt()
        self._spares = spares
        self._pools: dict[str, _Pool] = {}
        self._seen: OrderedDict[tuple[object, ...], Understanding] = OrderedDict()

    async def understand(
        self,
        text: bytes,
        dialect: str = "bash",
        *,
        stdin: bytes | None = None,
        after: int = 0,
        cwd: tuple[Word, ...] = (HOME,),
        thorough: bool = False,
    ) -> Understanding:
        """Return what a text would run in a shell of this dialect: bash, dash, zsh, or sh for "bash or dash".

        `stdin` is all that the client will send, where that is known; without it a shell that reads commands from
        there is opaque. What starts before byte `after` has run already and is not reported. `cwd` holds the
        directories it may start in, empty where nothing is known. `thorough`: of a text with an error, or with bytes
        that are no characters, it is said as well what a shell would run of it nevertheless.
        """
        key = (text, dialect, stdin, after, cwd, thorough)
        found = self._seen.get(key)
        if found is not None:
            self._seen.move_to_end(key)
            return found
        understood = await self._understand(text, dialect, stdin, after, cwd, thorough=thorough)
        lasting = all(item.reason is not Reason.UNREADABLE for item in understood.opaque)
        if lasting and len(text) + len(stdin or b"") <= MAX_CACHED_BYTES:
            self._seen[key] = understood
            if len(self._seen) > CACHED:
                self._seen.popitem(last=False)
        return understood

    def script(self, dialect: str = "bash") -> "ScriptReader":
        """Return a reader for a script that arrives on the input of a shell, piece by piece."""
        return ScriptReader(self, dialect)

    async def split(self, text: bytes, dialect: str = "bash") -> int:
        """Return how many bytes of a text are complete statements that a shell would run before it reads on."""
        end = text.rfind(b"\n") + 1
        language = dialects.languages(dialect)[:1]
        for _ in range(_SPLITS):
            if end == 0 or not language or analysis.refuse(text[:end]) is not None:
                return end
            parsed = await self._parse(Source(text[:end].decode("utf-8"), language[0]))
            if parsed.problem != Reason.SYNTAX.value:
                return end
            line = _POSITION.match(parsed.detail)
            end = _line_start(text[:end], int(line[1]) if line else 1)
        return 0

    async def close(self) -> None:
        """End the processes that are waiting."""
        for pool in self._pools.values():
            await pool.close()
        self._pools.clear()

    async def _understand(
        self, text: bytes, dialect: str, stdin: bytes | None, after: int, cwd: tuple[Word, ...], *, thorough: bool
    ) -> Understanding:
        refused = analysis.refuse(text) or (analysis.refuse(stdin) if stdin is not None else None)
        if refused is not None:
            if not thorough or refused.unread is not None:
                return refused
            plain = analysis.legible(text).encode()
            more = analysis.legible(stdin).encode() if stdin is not None else None
            found = await self.understand(plain, dialect, stdin=more, cwd=cwd, thorough=True)
            return replace(found, text=refused.text, opaque=tuple(dict.fromkeys((*refused.opaque, *found.opaque))))
        decoded = text.decode("utf-8")
        languages = dialects.languages(dialect, decoded)
        if not languages:
            return analysis.opaque(decoded, Reason.DIALECT, f"the language of {dialect} is not read")
        given = stdin.decode("utf-8") if stdin is not None else None
        readings = [
            await self._read(Source(decoded, language), given, after, cwd, thorough=thorough) for language in languages
        ]
        return dialects.merge(dialect, readings)

    async def _read(
        self, source: Source, stdin: str | None, after: int, cwd: tuple[Word, ...], *, thorough: bool
    ) -> Understanding:
        trees: dict[Source, Parsed] = {source: await (self._parse_on if thorough else self._parse)(source)}
        for turn in range(analysis.MAX_ROUNDS + 1):
            step = partial(_analyse, source, trees, stdin, after, cwd, final=turn == analysis.MAX_ROUNDS)
            found = await _aside(step, sum(len(known.text) for known in trees))
            if not found.missing:
                break
            for missing in found.missing:
                trees[missing] = await self._parse_on(missing)
        return found.understanding

    async def _parse_on(self, source: Source) -> Parsed:
        """Parse a text; where that fails, what a shell runs of it all the same: at least what precedes the error."""
        parsed = await self._parse(source)
        if parsed.problem != Reason.SYNTAX.value:
            return parsed
        best, text = parsed, source.text
        for _ in range(_REPAIRS):
            text, repaired = _repaired(text, best.detail), text
            if text == repaired:
                break
            best = await self._parse(replace(source, text=text))
            if best.tree is not None:
                return replace(parsed, tree=best.tree)
        if "\n" not in text:
            return parsed
        whole = text.encode("utf-8", "surrogateescape")
        end = await self.split(whole, source.dialect)
        complete = await self._parse(replace(source, text=whole[:end].decode("utf-8", "surrogateescape")))
        return replace(parsed, tree=complete.tree)

    async def _parse(self, source: Source) -> Parsed:
        text = source.text.encode("utf-8", "surrogateescape")
        refused = analysis.refuse(text, nested=True)
        if refused is not None:
            return Parsed(None, refused.opaque[0].reason.value, refused.opaque[0].detail)
        if self._program is None:
            return Parsed(None, Reason.UNREADABLE.value, "the parser shfmt is not installed")
        try:
            status, output, errors = await self._pool(source.dialect).run(text)
        except _TreeTooLargeError:
            return Parsed(None, Reason.TOO_LARGE.value, "too much code for its length")
        except (OSError, TimeoutError) as error:
            return Parsed(None, Reason.UNREADABLE.value, f"the parser did not answer ({type(error).__name__})")
        if status != 0 or not output:
            return _failed(status, errors)
        return await _aside(partial(_checked, source.dialect, text, output), len(text))

    def _pool(self, dialect: str) -> _Pool:
        if dialect not in self._pools:
            assert self._program is not None
            self._pools[dialect] = _Pool(self._program, dialect, self._spares)
        return self._pools[dialect]


class ScriptReader:
    """A script on the input of a shell: cuts it where the shell would run what it has, and says what that runs.

    `feed` and `end` return pieces in order; each must be decided on before it goes to the shell. What earlier pieces
    set (variables, functions, the directory) counts for later ones. A line that a program of the script reads as its
    data counts as a command. Memory is bounded: beyond `MAX_SCRIPT` bytes every further piece is opaque.
    """

    def __init__(self, reader: CommandReader, dialect: str) -> None:
        self._reader = reader
        self._dialect = dialect
        self._done = b""
        self._pending = b""
        self._too_large = False

    async def feed(self, data: bytes) -> list[tuple[bytes, Understanding]]:
        """Take bytes of the script; return the pieces that are complete with them."""
        self._pending += data
        if self._too_large or len(self._done) + len(self._pending) > MAX_SCRIPT:
            return self._give_up()
        if b"\n" not in data:
            return []
        return await self._cut(await self._reader.split(self._pending, self._dialect))

    async def end(self) -> list[tuple[bytes, Understanding]]:
        """Tell that the script is over; return what is left of it."""
        if self._too_large:
            return self._give_up()
        return await self._cut(len(self._pending))

    async def _cut(self, size: int) -> list[tuple[bytes, Understanding]]:
        piece, self._pending = self._pending[:size], self._pending[size:]
        if not piece:
            return []
        text = self._done + piece
        understanding = await self._reader.understand(text, self._dialect, after=len(self._done))
        self._done = text
        return [(piece, replace(understanding, text=piece.decode("utf-8", "replace")))]

    def _give_up(self) -> list[tuple[bytes, Understanding]]:
        self._too_large, self._done = True, b""
        piece, self._pending = self._pending, b""
        why = f"a script longer than {MAX_SCRIPT} bytes"
        return [(piece, analysis.opaque("", Reason.TOO_LARGE, why))] if piece else []


def _analyse(
    source: Source,
    trees: Mapping[Source, Parsed],
    stdin: str | None,
    after: int,
    cwd: tuple[Word, ...],
    *,
    final: bool,
) -> analysis.Analysis:
    try:
        return analysis.analyse(source, trees, cwd=cwd, stdin=stdin, after=after, final=final)
    except Exception as error:  # noqa: BLE001  # a defect of ours must hold the command, not let it pass
        why = f"the analysis failed ({type(error).__name__})"
        return analysis.Analysis(analysis.opaque(source.text, Reason.UNREADABLE, why))


_UNCLOSED = re.compile(r"unclosed here-document `(.*?)`")


def _repaired(text: str, detail: str) -> str:
    """Return a text that shells run though the parser refuses it in a form that it reads; the same where there is none.

    A here-document may end with the text, and what begins like arithmetic may be two subshells.
    """
    if (unclosed := _UNCLOSED.search(detail)) is not None:
        return f"{text}\n{unclosed[1]}\n"
    return re.sub(r"(?<![$\w])\(\((?!\()", "( (", text)


def _checked(dialect: str, text: bytes, output: bytes) -> Parsed:
    """Return the tree that shfmt printed, held against what the second parser sees."""
    try:
        tree = load(output, text)
    except TreeTooDeepError:
        return Parsed(None, Reason.TOO_LARGE.value, "nested too deeply")
    except (ValueError, TypeError):
        return Parsed(None, Reason.UNREADABLE.value, "the parser's answer cannot be read")
    if dialect == "bash" and (difference := crosscheck.disagreement(text, tree)):
        return Parsed(tree, Reason.DISAGREEMENT.value, difference)
    return Parsed(tree)


async def _aside(step: Callable[[], T], size: int) -> T:
    """Do a step at once for a short text, on a thread for a long one."""
    return step() if size <= LONG else await asyncio.to_thread(step)


def _line_start(text: bytes, number: int) -> int:
    """Return where the line with this number (from 1) starts; less than the whole text."""
    lines = text.split(b"\n")
    return sum(len(line) + 1 for line in lines[: min(number, len(lines) - 1) - 1])


def _failed(status: int, errors: bytes) -> Parsed:
    """Tell a text with a syntax error from a parser that failed."""
    line = errors.decode("utf-8", "replace").splitlines()[:1]
    if status == 1 and line and _POSITION.match(line[0]):
        return Parsed(None, Reason.SYNTAX.value, line[0].removeprefix("<standard input>:")[:100])
    return Parsed(None, Reason.UNREADABLE.value, f"the parser ended with status {status}")
