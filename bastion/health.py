"""The optional endpoint for machines that watch the bastion: /metrics, /healthz and /readyz over plain HTTP.

Runs on a thread of its own, so that a busy event loop shows as not ready instead of as no answer. It takes no input but
the path and serves nothing that says who did what.
"""

import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.exposition import ThreadingWSGIServer

from bastion.config.schema import Address
from bastion.errors import BastionError

_TEXT = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]


class _Silent(WSGIRequestHandler):
    """Writes no access log, and gives a slow client ten seconds."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing."""


class HealthEndpoint:
    """Serves an address until closed.

    `metrics` returns the counters as Prometheus reads them, `unready` why the bastion can't serve or an empty text.
    Both are called on other threads.
    """

    def __init__(self, address: Address, metrics: Callable[[], bytes], unready: Callable[[], str]) -> None:
        self._metrics = metrics
        self._unready = unready
        try:
            self._server = make_server(address.host, address.port, self._answer, ThreadingWSGIServer, _Silent)
        except OSError as error:
            raise BastionError(
                f"server.metrics: cannot listen on {address.host} port {address.port}: {error.strerror or error}"
            ) from error
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")])
            return [self._metrics()]
        if path == "/healthz":
            return _say(start_response, "200 OK", "ok")
        if path == "/readyz":
            why = self._unready()
            return _say(start_response, "503 Service Unavailable" if why else "200 OK", why or "ready")
        return _say(start_response, "404 Not Found", "see /metrics, /healthz and /readyz")


def _say(start_response: StartResponse, status: str, text: str) -> Iterable[bytes]:
    start_response(status, list(_TEXT))
    return [f"{text}\n".encode()]
