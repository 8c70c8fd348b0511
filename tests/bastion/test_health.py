"""The endpoint for machines that watch."""

import socket
import urllib.error
import urllib.request

import pytest

from bastion.config.schema import Address
from bastion.errors import BastionError
from bastion.health import HealthEndpoint
from bastion.metrics import Metrics


def get(endpoint: HealthEndpoint, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{endpoint.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_it_says_whether_the_bastion_lives_is_ready_and_what_it_counted() -> None:
    why = ["the database is locked"]
    with HealthEndpoint(Address("127.0.0.1", 0), Metrics().text, lambda: why[0]) as endpoint:
        assert get(endpoint, "/healthz") == (200, "ok\n")
        assert get(endpoint, "/readyz") == (503, "the database is locked\n")
        why[0] = ""
        assert get(endpoint, "/readyz") == (200, "ready\n")
        status, text = get(endpoint, "/metrics")
        assert status == 200
        assert "bastion_approvals_waiting" in text
        assert get(endpoint, "/anything")[0] == 404


def test_a_taken_address_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BastionError, match=f"server.metrics: cannot listen on 127.0.0.1 port {port}: "):
            HealthEndpoint(Address("127.0.0.1", port), Metrics().text, lambda: "")
