"""Targets by pattern: which names match, what becomes of them, and that nobody chooses a domain or an address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.config.schema import Address, Config
from bastion.instances import every, find, instance
from tests.bastion.configs import KEY, SSH, config

FLEET = f"""
[targets."web-*.example.com"]
protocol = "ssh"
address = "{{name}}:2222"
labels = {{ env = "prod" }}
host_ca = "{KEY}"
"""
SUFFIX = FLEET.replace('"web-*.example.com"', '"db-?"').replace("{name}:2222", "{name}.internal")
ANY = FLEET.replace('"web-*.example.com"', '"*"').replace(":2222", "")


def made(text: str, name: str) -> Address | None:
    found = find(config(text), name)
    return found.address if found else None


def test_a_name_that_matches_is_a_target() -> None:
    found = find(config(FLEET), "web-7.example.com")
    assert found is not None
    assert (found.name, found.pattern, found.address) == (
        "web-7.example.com",
        "web-*.example.com",
        Address("web-7.example.com", 2222),
    )
    assert dict(found.labels) == {"env": "prod"}
    assert found.host_cas == (KEY,)


def test_a_domain_is_added() -> None:
    assert made(SUFFIX, "db-3") == Address("db-3.internal", 22)
    assert made(SUFFIX, "db-33") is None


@pytest.mark.parametrize(
    "name",
    [
        "web-*.example.com",  # the pattern's own name is nobody's
        "web-.example.com",
        "web-1.evil.com.example.com",  # a wildcard matches no dot
        "web-1.example.com.evil.com",
        "web-1.example.comx",
        "xweb-1.example.com",
        "web-1xexample.com",  # a dot of the pattern is a dot
        "WEB-1.example.com",
        "web-1.example.com.",
        "web-1.example.com\n",
        "web-1\n.example.com",
        "web-1%.example.com",
        "web-ü.example.com",
        f"web-{'1' * 64}.example.com",
        "",
    ],
)
def test_what_does_not_match(name: str) -> None:
    assert made(FLEET, name) is None


@pytest.mark.parametrize(
    "name", ["127", "2130706433", "0x7f000001", "0x", "localhost", "a-", "a_", "a.b", "::1", "[::1]"]
)
def test_no_name_is_an_address_or_this_machine(name: str) -> None:
    assert made(ANY, name) is None
    assert made(ANY, f"a{name}") != Address(name, 22)


def test_numbers_are_names_below_a_domain() -> None:
    text = ANY.replace("{name}", "{name}.example.com")
    assert made(text, "127") == Address("127.example.com", 22)
    assert made(ANY.replace("{name}", "10.0.0.{name}"), "5") is None


def test_exact_names_win() -> None:
    exact = f'[targets."web-7.example.com"]\n{SSH}'
    assert made(FLEET + exact, "web-7.example.com") == Address("10.0.0.5", 22)
    assert made(FLEET + exact, "web-8.example.com") == Address("web-8.example.com", 2222)


def test_the_most_specific_pattern_wins() -> None:
    closer = FLEET.replace("web-*", "web-1*").replace(":2222", ":1")
    for text in (FLEET + closer, closer + FLEET):
        assert made(text, "web-15.example.com") == Address("web-15.example.com", 1)
        assert made(text, "web-25.example.com") == Address("web-25.example.com", 2222)


def test_patterns_stand_apart_from_targets() -> None:
    found = config(FLEET + SUFFIX)
    assert found.targets == {}
    assert [pattern.name for pattern in found.patterns] == ["web-*.example.com", "db-?"]


def test_everything_there_is_to_list() -> None:
    role = (
        '[roles.r]\ngroups = ["g"]\ntargets = ["web-1.example.com", "web-2*", "a"]\nlogins = ["x"]\nchannels = ["exec"]'
    )
    found = config(f"{FLEET}[targets.a]\n{SSH}{role}")
    assert [target.name for target in every(found)] == ["a", "web-1.example.com", "web-*.example.com"]


PATTERNS: Config = config(FLEET + ANY)


@given(st.text("abc-_.*?[]0x1%@ \n", max_size=30) | st.from_regex(r"web-[a-z0-9.]{0,10}\.example\.com", fullmatch=True))
def test_a_host_stays_where_the_pattern_put_it(name: str) -> None:
    found = find(PATTERNS, name)
    if found is None:
        return
    host = found.address.host
    assert found.name == host == name
    assert not set(name) & set("*?[]%@ \n")
    assert "." not in name.removesuffix(".example.com")


@given(st.from_regex(r"[a-z*?.]{1,12}", fullmatch=True), st.from_regex(r"[a-z.]{1,12}", fullmatch=True))
def test_matching_by_another_hand(glob: str, name: str) -> None:
    """Against the plain definition, by recursion."""

    def fits(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return fits(pattern[1:], text) or (bool(text) and text[0] != "." and fits(pattern, text[1:]))
        return (
            bool(text)
            and (text[0] == pattern[0] or (pattern[0] == "?" and text[0] != "."))
            and fits(pattern[1:], text[1:])
        )

    if not set("*?") & set(glob) or glob[0] == ".":
        return
    (pattern,) = config(ANY.replace('"*"', f'"{glob}"').replace("{name}", "{name}.x")).patterns
    expected = fits(glob, name) and not any(not label for label in name.split("."))
    assert (instance(pattern, name) is not None) == expected
