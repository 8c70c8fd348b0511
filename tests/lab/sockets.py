"""Small servers and clients on sockets of loopback, for whatever is to pass through a forward.

A `Service` runs one handler a connection, each in a thread of its own; what a handler raises at its end is forgotten,
since the other side may go at any time.
"""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

Handler = Callable[[socket.socket], None]
TIMEOUT = 30.0


class Service:
    """Listens on a free port of 127.0.0.1, or on a unix socket at `path`, until closed."""

    def __init__(self, handler: Handler, path: Path | None = None) -> None:
        self._handler = handler
        self.accepted = 0
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.port = int(self._listener.getsockname()[1])
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen(64)
            path.chmod(0o777)
            self.port = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(TIMEOUT)
            self._handler(connection)

    def close(self) -> None:
        """Accept no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def echo(connection: socket.socket) -> None:
    """Send back whatever comes, as it comes."""
    while data := connection.recv(65536):
        connection.sendall(data)


def count(connection: socket.socket) -> None:
    """Read to the end, then say how much it was: works only where each direction ends by itself."""
    size = 0
    while data := connection.recv(65536):
        size += len(data)
    connection.sendall(str(size).encode())


def say(text: bytes) -> Handler:
    """Return a handler that speaks first, and then sends back whatever comes."""

    def handle(connection: socket.socket) -> None:
        connection.sendall(text)
        echo(connection)

    return handle


def dial(where: int | Path) -> socket.socket:
    """Connect to a port of 127.0.0.1, or to a unix socket."""
    if isinstance(where, int):
        return socket.create_connection(("127.0.0.1", where), timeout=TIMEOUT)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT)
    connection.connect(str(where))
    return connection


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side ends; a reset is an end too."""
    data = bytearray()
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            data += part
    return bytes(data)


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes; raise ConnectionError when the other side ends before."""
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 20))
        if not part:
            raise ConnectionError(f"ended after {len(data)} of {size} bytes")
        data += part
    return bytes(data)


def ask(where: int | Path, data: bytes) -> bytes:
    """Send bytes, end that direction, and return all that comes back; a peer that is gone already is an end too."""
    with dial(where) as connection:
        with suppress(OSError):  # a reset is ENOTCONN to shutdown, which is no ConnectionError
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        return read_all(connection)


def ask_if_open(where: int | Path, data: bytes) -> bytes | None:
    """Ask as `ask` does; None where nobody listens."""
    try:
        return ask(where, data)
    except (ConnectionRefusedError, FileNotFoundError):
        return None


def socks(proxy: int, host: str, port: int) -> socket.socket:
    """Connect to a host by name through ssh's SOCKS5 proxy (RFC 1928); raise ConnectionError where ssh can't."""
    connection = dial(proxy)
    connection.sendall(b"\5\1\0")
    assert read_exactly(connection, 2) == b"\5\0"
    name = host.encode()
    connection.sendall(b"\5\1\0\3" + bytes([len(name)]) + name + struct.pack(">H", port))
    try:
        answer = read_exactly(connection, 10)
    except ConnectionError:
        connection.close()  # ssh says nothing where the host can't be reached
        raise
    assert answer[1] == 0
    return connection
