"""Reading command texts: the parser processes around the pure analysis in `bastion.policy`.

mvdan/sh runs as `shfmt`, one process for one text, started beforehand so that a text does not wait for it;
tree-sitter runs in this process. Whatever goes wrong (no program, a crash, too slow) is an `Opaque` in the answer,
never an exception, never an empty answer. Texts are never logged. Answers are kept by their exact bytes.
"""

import asyncio
import re
import shutil
import sys
from collections import OrderedDict
from pathlib import Path

from bastion.policy import analysis, crosscheck
from bastion.policy.tree import Parsed, Source, TreeTooDeepError, load
from bastion.policy.understanding import Reason, Understanding

SPARES = 2  # processes kept ready for each dialect in use
TIMEOUT = 5.0  # seconds for one text
CACHED = 2_048
MAX_CACHED_BYTES = 4_096  # longer texts are not kept
_POSITION = re.compile(r"(?:<standard input>:)?\d+:\d+: ")
_DIALECTS = {"bash": "bash", "sh": "bash", "zsh": "bash", "dash": "posix", "posix": "posix"}


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
                output, errors = await process.communicate(text)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, output, errors

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, stderr=pipe, env={})

    def _refill(self) -> None:
        if not self._closed and len(self._ready) + len(self._filling) < self._spares:
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


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.communicate()


class CommandReader:
    """Understands command texts. Use from one event loop; `close` when done."""

    def __init__(self, program: str | None = None, *, spares: int = SPARES) -> None:
        self._program = program if program is not None else find_shfmt()
        self._spares = spares
        self._pools: dict[str, _Pool] = {}
        self._seen: OrderedDict[tuple[bytes, str, bytes | None], Understanding] = OrderedDict()

    async def understand(self, text: bytes, dialect: str = "bash", *, stdin: bytes | None = None) -> Understanding:
        """Return what a text would run in a shell of this dialect (bash, sh, zsh, dash).

        `stdin` is all that the client will send, where that is known; without it a shell that reads commands from
        there is opaque.
        """
        key = (text, dialect, stdin)
        found = self._seen.get(key)
        if found is not None:
            self._seen.move_to_end(key)
            return found
        understood = await self._understand(text, dialect, stdin)
        lasting = all(item.reason is not Reason.UNREADABLE for item in understood.opaque)
        if lasting and len(text) + len(stdin or b"") <= MAX_CACHED_BYTES:
            self._seen[key] = understood
            if len(self._seen) > CACHED:
                self._seen.popitem(last=False)
        return understood

    async def close(self) -> None:
        """End the processes that are waiting."""
        for pool in self._pools.values():
            await pool.close()
        self._pools.clear()

    async def _understand(self, text: bytes, dialect: str, stdin: bytes | None) -> Understanding:
        refused = analysis.refuse(text) or (analysis.refuse(stdin) if stdin is not None else None)
        if refused is not None:
            return refused
        language = _DIALECTS.get(dialect)
        decoded = text.decode("utf-8")
        if language is None:
            return analysis.opaque(decoded, Reason.DIALECT, f"the language of {dialect} is not read")
        source = Source(decoded, language)
        given = stdin.decode("utf-8") if stdin is not None else None
        trees: dict[Source, Parsed] = {source: await self._parse(source)}
        for turn in range(analysis.MAX_ROUNDS + 1):
            try:
                found = analysis.analyse(source, trees, stdin=given, final=turn == analysis.MAX_ROUNDS)
            except Exception as error:  # noqa: BLE001  # a defect of ours must hold the command, not let it pass
                return analysis.opaque(decoded, Reason.UNREADABLE, f"the analysis failed ({type(error).__name__})")
            if not found.missing:
                return found.understanding
            for missing in found.missing:
                trees[missing] = await self._parse(missing)
        raise AssertionError("the last round has nothing missing")

    async def _parse(self, source: Source) -> Parsed:
        text = source.text.encode("utf-8", "surrogateescape")
        refused = analysis.refuse(text, nested=True)
        if refused is not None:
            return Parsed(None, refused.opaque[0].reason.value, refused.opaque[0].detail)
        if self._program is None:
            return Parsed(None, Reason.UNREADABLE.value, "the parser shfmt is not installed")
        try:
            status, output, errors = await self._pool(source.dialect).run(text)
        except (OSError, TimeoutError) as error:
            return Parsed(None, Reason.UNREADABLE.value, f"the parser did not answer ({type(error).__name__})")
        if status != 0 or not output:
            return _failed(status, errors)
        try:
            tree = load(output, text)
        except TreeTooDeepError:
            return Parsed(None, Reason.TOO_LARGE.value, "nested too deeply")
        except (ValueError, TypeError):
            return Parsed(None, Reason.UNREADABLE.value, "the parser's answer cannot be read")
        if source.dialect == "bash" and (difference := crosscheck.disagreement(text, tree)):
            return Parsed(tree, Reason.DISAGREEMENT.value, difference)
        return Parsed(tree)

    def _pool(self, dialect: str) -> _Pool:
        if dialect not in self._pools:
            assert self._program is not None
            self._pools[dialect] = _Pool(self._program, dialect, self._spares)
        return self._pools[dialect]


def _failed(status: int, errors: bytes) -> Parsed:
    """Tell a text with a syntax error from a parser that failed."""
    line = errors.decode("utf-8", "replace").splitlines()[:1]
    if status == 1 and line and _POSITION.match(line[0]):
        return Parsed(None, Reason.SYNTAX.value, line[0].removeprefix("<standard input>:")[:100])
    return Parsed(None, Reason.UNREADABLE.value, f"the parser ended with status {status}")
