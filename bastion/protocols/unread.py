"""Programs that move files in a protocol that is not read here (rsync, git): bytes pass, and are counted.

What they do is known by their command alone.
"""

from bastion.model import Stream
from bastion.protocols.transfer import Asked, FileDone, Out, Pass, Verb


class UnreadCodec:
    """Passes and counts bytes.

    `uploads` says which way files go, None for a program that moves no files as such; `paths` are told at the end, for
    all files together.
    """

    def __init__(self, program: str, *, uploads: bool | None, paths: str) -> None:
        self._program = program
        self._uploads = uploads
        self._paths = paths
        self._sizes = {Stream.STDIN: 0, Stream.STDOUT: 0, Stream.STDERR: 0}

    def feed(self, stream: Stream, data: bytes) -> list[Out]:
        """Pass the bytes on."""
        self._sizes[stream] += len(data)
        return [Pass(stream, data)]

    def end(self, stream: Stream) -> list[Out]:  # noqa: ARG002 - part of the TransferCodec protocol
        """Return nothing."""
        return []

    def allow(self, asked: Asked) -> list[Out]:
        """Return nothing: nothing is ever asked."""
        del asked
        return []

    def refuse(self, asked: Asked, text: str) -> list[Out]:
        """Return nothing: nothing is ever asked."""
        del asked, text
        return []

    def finish(self) -> list[Out]:
        """Tell how much passed, for all files together."""
        if self._uploads is None:
            return []
        verb, way = (Verb.UPLOAD, Stream.STDIN) if self._uploads else (Verb.DOWNLOAD, Stream.STDOUT)
        return [FileDone(verb, self._paths, self._sizes[way], None, random=True, detail=self._program)]
