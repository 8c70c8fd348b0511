"""What a channel records and passes on, put together for as long as its bytes come in slices.

A write, a line of the recording and a packet cost more than their bytes do. So what comes out of many small slices of
one turn of the loop is written and sent as one. Nothing is sent before all of it is recorded.
"""

from collections.abc import Callable

from bastion.inspectors.actions import Save, Send
from bastion.model import Stream

Write = Callable[[Stream, bytes], None]


class Outlet:
    """Gathers what is to be recorded, and what is to be sent, each in order. `flush` does it."""

    def __init__(self, save: Write, to_target: Callable[[bytes], None], to_client: Write) -> None:
        self._save = save
        self._to_target = to_target
        self._to_client = to_client
        self._saved: list[tuple[Stream, list[bytes]]] = []
        self._sent: list[tuple[Stream, list[bytes]]] = []

    def add(self, action: Save | Send) -> None:
        """Take an action, to be done at the next `flush`."""
        gathered = self._saved if isinstance(action, Save) else self._sent
        if gathered and gathered[-1][0] is action.stream:
            gathered[-1][1].append(action.data)
        else:
            gathered.append((action.stream, [action.data]))

    def flush(self) -> None:
        """Record all that was taken, then send it. Where the one raises, the other is not done."""
        saved, self._saved = self._saved, []
        sent, self._sent = self._sent, []
        for stream, pieces in saved:
            self._save(stream, b"".join(pieces))
        for stream, pieces in sent:
            data = b"".join(pieces)
            if stream is Stream.STDIN:
                self._to_target(data)
            else:
                self._to_client(stream, data)
