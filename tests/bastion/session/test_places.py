"""Where forwards may lead."""

import pytest

from bastion.config.schema import Address, Credential, Target
from bastion.errors import AccessDenied
from bastion.session.places import check_destination, check_listen, check_path, spelt

TARGETS = [
    Target("web-1", "ssh", Address("10.0.0.5", 2222), Credential("certificate"), host_keys=("k",)),
    Target("orders", "postgres", Address("10.0.0.9", 5432), Credential("password")),
]


@pytest.mark.parametrize(
    ("host", "port"),
    [("localhost", 80), ("10.0.0.9", 5432), ("::1", 1), ("münchen.example", 65535), ("h" * 255, 443)],
)
def test_hosts_and_ports_that_are_reached(host: str, port: int) -> None:
    check_destination(host, port, TARGETS)


@pytest.mark.parametrize("port", [22, 2222])
@pytest.mark.parametrize("host", ["localhost", "10.0.0.5", "elsewhere", "::1"])
def test_ports_of_ssh_servers_are_reached_on_no_host(host: str, port: int) -> None:
    with pytest.raises(AccessDenied, match=f"^port {port} is one of ssh servers"):
        check_destination(host, port, TARGETS)
    with pytest.raises(AccessDenied, match=f"^port {port} is one of ssh servers"):
        check_listen(host, port, TARGETS)


@pytest.mark.parametrize("host", ["", "a\nb", "a\0", "\x1b[2J", "h" * 256, "\u202ea"])
def test_what_is_no_host(host: str) -> None:
    with pytest.raises(AccessDenied, match="no name or address"):
        check_destination(host, 80, TARGETS)


@pytest.mark.parametrize("port", [0, 65536, 0xFFFFFFFF])
def test_what_is_no_port_to_connect_to(port: int) -> None:
    with pytest.raises(AccessDenied, match=f"^{port} is no TCP port"):
        check_destination("localhost", port, TARGETS)


@pytest.mark.parametrize(("host", "port"), [("", 0), ("localhost", 8080), ("0.0.0.0", 1), ("::", 65535)])
def test_where_a_target_may_listen(host: str, port: int) -> None:
    check_listen(host, port, TARGETS)


@pytest.mark.parametrize(("host", "port"), [("a\nb", 80), ("h" * 256, 80), ("", 65536)])
def test_where_no_target_listens(host: str, port: int) -> None:
    with pytest.raises(AccessDenied):
        check_listen(host, port, TARGETS)


@pytest.mark.parametrize("path", ["/run/service.sock", "relative", "/" + "p" * 1023, "/with space"])
def test_paths_that_are_reached(path: str) -> None:
    check_path(path)


@pytest.mark.parametrize("path", ["", "/a\0b", "/a\nb", "/" + "p" * 1024])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(AccessDenied, match="no path"):
        check_path(path)


@pytest.mark.parametrize(
    ("host", "port", "text"), [("localhost", 80, "localhost:80"), ("::1", 80, "[::1]:80"), ("", 0, ":0")]
)
def test_spelling(host: str, port: int, text: str) -> None:
    assert spelt(host, port) == text
