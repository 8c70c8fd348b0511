"""The sftp subsystem, version 3 (draft-ietf-secsh-filexfer-02), with the extensions of OpenSSH.

`SFTPCodec` follows both directions: which request each reply belongs to, which file each handle is. Requests that read
or change files come out as `Asked`; everything else goes on byte for byte, as soon as a packet is whole, and nothing
waits for anything. A refusal is an SSH_FXP_STATUS of ours, so that the client's tool shows its own error and goes on.
Files that a masker is given for are read as `sftp_reads` says.

Limits: a packet of 257 KiB, `MAX_REQUESTS` unanswered, `MAX_HANDLES` open. Symbolic links are not followed: a path is
what the client wrote.
"""

from bastion.model import Stream
from bastion.protocols.sftp_packets import Assembler, Code, Type
from bastion.protocols.sftp_replies import Replies
from bastion.protocols.sftp_requests import Requests
from bastion.protocols.sftp_state import Conversation, Ticket
from bastion.protocols.transfer import Asked, FileMasking, Out, Pass


class SFTPCodec:
    """One sftp channel. `masking` is how downloads are masked, None where they are not."""

    def __init__(self, masking: FileMasking | None = None) -> None:
        self._state = Conversation(masking)
        self._requests, self._replies = Requests(self._state), Replies(self._state)
        self._from_client, self._from_target = Assembler("the client"), Assembler("the target")

    def feed(self, stream: Stream, data: bytes) -> list[Out]:
        """Take the next bytes of a stream; the target's stderr passes as it is."""
        if stream is Stream.STDERR:
            return [Pass(stream, data)]
        if stream is Stream.STDIN:
            for packet in self._from_client.feed(data):
                self._requests.take(packet)
        else:
            for packet in self._from_target.feed(data):
                self._replies.take(packet)
        return self._state.flush()

    def end(self, stream: Stream) -> list[Out]:  # noqa: ARG002 - part of the TransferCodec protocol
        """Return nothing: a packet cut short by the end goes nowhere."""
        return []

    def allow(self, asked: Asked) -> list[Out]:
        """Send the request on."""
        ticket = asked.ticket
        assert isinstance(ticket, Ticket)
        self._state.send(ticket.request, ticket.raw, ticket.pending)
        return self._state.flush()

    def refuse(self, asked: Asked, text: str) -> list[Out]:
        """Answer the request with "permission denied" and the reason."""
        ticket = asked.ticket
        assert isinstance(ticket, Ticket)
        del self._state.pending[ticket.request]
        if ticket.pending.kind == Type.OPEN:
            self._state.opening -= 1
        self._state.answer(ticket.request, Code.PERMISSION_DENIED, text)
        return self._state.flush()

    def finish(self) -> list[Out]:
        """Tell what was not closed."""
        state = self._state
        closing = [pending.file for pending in state.pending.values() if pending.kind == Type.CLOSE]
        for file in (*state.handles.values(), *closing):
            if file is not None:
                state.tell(file, "incomplete")
        state.handles.clear()
        state.pending.clear()
        return state.flush()
