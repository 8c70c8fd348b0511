"""Masking within a pipeline: one masker a stream, and when a held value is looked at again.

Not the masking itself (that is `bastion.masking`); this only keeps the timing: after a pause in the output, what a
masker still holds is released as far as its budget allows, so that prompts and dialogues never stall.
"""

from collections.abc import Mapping
from typing import Protocol

from bastion.model import Stream

# A person waits for an echo; a program's output that pauses in the middle of a word can wait longer.
TERMINAL_PAUSE = 0.03
PROGRAM_PAUSE = 0.25
STRONG_PAUSE = 0.4


class Masker(Protocol):
    """What the pipeline needs of `bastion.masking.stream.StreamMasker`."""

    @property
    def held(self) -> int:
        """Bytes held back now."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Masked values so far, by type."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes, return what is decided."""

    def step(self, data: bytes) -> bytes:
        """Do the same, but leave bytes for later where they take long."""

    @property
    def behind(self) -> bool:
        """Whether bytes were left: `step` is to be called again."""

    def idle(self) -> bytes:
        """Return what may go after a pause."""

    def end(self) -> bytes:
        """Return the rest, decided with the end as boundary."""

    def typed(self, data: bytes) -> None:
        """Note bytes the client just sent, so that their echo is not delayed."""


class Masking:
    """The maskers of one channel. Streams without one pass as they are.

    The masker of STDIN, where there is one, serves the recording alone: the target gets what the client sent. With
    `clear` the other maskers do so too: the client may see everything, who replays the recording may not.

    A masker that fails raises, which ends the channel. With `lenient` its stream goes on in clear instead, and is not
    recorded any more; `take_failures` says so once.
    """

    def __init__(
        self, maskers: Mapping[Stream, Masker], *, terminal: bool, clear: bool = False, lenient: bool = False
    ) -> None:
        self._maskers = dict(maskers)
        self._clear = clear
        self._lenient = lenient
        self._tails: dict[Stream, bytes] = {}  # what each masker holds, should it fail
        self._failed: set[Stream] = set()
        self._failures: list[str] = []
        # The first pause frees what may be freed, the second has strong remainders masked.
        self._pauses = (TERMINAL_PAUSE if terminal else PROGRAM_PAUSE, STRONG_PAUSE)
        self._wakes: dict[Stream, tuple[float, int]] = {}
        self._ended: dict[str, int] = {}

    def passes(self, stream: Stream) -> bool:
        """Return whether a stream goes on as it is, while its recording is masked."""
        return self._clear or stream is Stream.STDIN

    def feed(self, stream: Stream, data: bytes, now: float, *, whole: bool = True) -> tuple[bytes, bytes]:
        """Take bytes of a stream, return what of it is saved and what goes on now.

        They need not be taken `whole`: where the stream `is_behind` then, this is to be called again.
        """
        masker = self._maskers.get(stream)
        if masker is None:
            return (b"", data) if stream in self._failed else (data, data)
        try:
            masked = masker.feed(data) if whole else masker.step(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised or journalled
            return b"", self._fail(stream, data, error)
        self._remember(stream, masker, data)
        self._plan(stream, masker, now, stage=0)
        return masked, data if self.passes(stream) else masked

    def is_behind(self, stream: Stream) -> bool:
        """Return whether the stream's masker left bytes for later."""
        masker = self._maskers.get(stream)
        return masker is not None and masker.behind

    def take_failures(self) -> list[str]:
        """Return what failed since it was last asked."""
        failures, self._failures = self._failures, []
        return failures

    def _remember(self, stream: Stream, masker: Masker, data: bytes) -> None:
        if self._lenient:
            held = masker.held
            self._tails[stream] = (self._tails.get(stream, b"") + data)[-held:] if held else b""

    def _fail(self, stream: Stream, data: bytes, error: Exception) -> bytes:
        """Go on without the masker, and return what it held and the data; raise where that may not be."""
        if not self._lenient:
            raise error
        self._wakes.pop(stream, None)
        _add(self._ended, self._maskers.pop(stream).counts)
        self._failed.add(stream)
        self._failures.append(f"{stream} is not masked, nor recorded, from here on: {type(error).__name__}")
        tail = self._tails.pop(stream, b"")
        return data if self.passes(stream) else tail + data

    def typed(self, data: bytes) -> None:
        """Tell the masker of the output what was just typed."""
        if (masker := self._maskers.get(Stream.STDOUT)) is not None:
            masker.typed(data)

    def wake(self, now: float) -> list[tuple[Stream, bytes, bytes]]:
        """Return what streams that were silent long enough may release: what is saved, and what goes on."""
        released: list[tuple[Stream, bytes, bytes]] = []
        for stream, (due, stage) in list(self._wakes.items()):
            if due > now:
                continue
            masker = self._maskers[stream]
            try:
                out = masker.idle()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is raised or journalled
                released.append((stream, b"", self._fail(stream, b"", error)))
                continue
            self._remember(stream, masker, b"")
            if out:
                released.append((stream, out, b"" if self.passes(stream) else out))
            self._plan(stream, masker, now, stage=stage + 1)
        return released

    def end(self, stream: Stream) -> tuple[bytes, bytes]:
        """Return the rest of a stream that ended: what is saved, and what goes on."""
        self._wakes.pop(stream, None)
        masker = self._maskers.get(stream)
        if masker is None:
            return b"", b""
        try:
            out = masker.end()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised or journalled
            return b"", self._fail(stream, b"", error)
        del self._maskers[stream]
        if stream is not Stream.STDIN:
            _add(self._ended, masker.counts)
        return out, b"" if self.passes(stream) else out

    def next_wake(self) -> float | None:
        """Return when `wake` should be called next, or None."""
        return min(due for due, _ in self._wakes.values()) if self._wakes else None

    def counts(self) -> dict[str, int]:
        """Return how many values were masked for the client, by type."""
        totals = dict(self._ended)
        for stream, masker in self._maskers.items():
            if stream is not Stream.STDIN:
                _add(totals, masker.counts)
        return totals

    def _plan(self, stream: Stream, masker: Masker, now: float, *, stage: int) -> None:
        if masker.held and stage < len(self._pauses):
            self._wakes[stream] = (now + self._pauses[stage], stage)
        else:
            self._wakes.pop(stream, None)


def failures(masking: Masking) -> list[dict[str, object]]:
    """Return the facts of what failed, for the journal."""
    return [{"where": "masking", "why": why} for why in masking.take_failures()]


def _add(totals: dict[str, int], counts: Mapping[str, int]) -> None:
    for kind, number in counts.items():
        totals[kind] = totals.get(kind, 0) + number
