"""`via`, patterns, `networks` and `algorithms` of targets: what they mean, and the one line a wrong one gets."""

from ipaddress import ip_network

import pytest

from bastion.config.reach import MAX_GATEWAYS
from bastion.config.schema import Address, Target
from tests.bastion.configs import ISSUER, KEY, ORDERS, SSH, WEB, config, findings

PASSWORD = {"PW": "hunter2"}
FLEET = f'[targets."web-*"]\nprotocol = "ssh"\naddress = "{{name}}.example.com"\nhost_ca = "{KEY}"\n'
ADDRESS = 'write "{name}:22", or "{name}.internal.example.com:22"; the name that is asked for takes this place'


def host(name: str, via: str = "") -> str:
    """Return the configuration of one target."""
    return f"[targets.{name}]\n{SSH}" + (f'via = "{via}"\n' if via else "")


def gateways(target: Target) -> list[tuple[str, str]]:
    """Return the gateways of a target, the nearest first."""
    via = target.via
    return [(via.login, via.target.name), *gateways(via.target)] if via is not None else []


NO_LOGIN = 'must be a login and the name of another ssh target, as in "jump@gateway"'
NO_NAME = "must hold {name} once, since this target is a pattern; " + ADDRESS
CHARACTERS = "use a-z, 0-9, '.', '_' and '-', a letter or digit first"
GROUP14 = (
    '"diffie-hellman-group14" is no key exchange algorithm known here; did you mean "diffie-hellman-group14-sha1"?'
)
HTTP = '[targets.g]\nprotocol = "http"\naddress = "h"\ncredential = { kind = "token", token_env = "PW" }'
APP = 'credential = { kind = "password", user = "app", password_env = "PW" }\n'

# What is written, where something is found, and what.
WRONG = [
    (host("a", "b"), "targets.a.via", NO_LOGIN),
    (host("a", "@b"), "targets.a.via", NO_LOGIN),
    (host("a", "-x@b"), "targets.a.via", NO_LOGIN),
    (host("a", "jump@"), "targets.a.via", 'no target named ""'),
    (f"{host('a')}via = 1", "targets.a.via", "must be text, not a number"),
    (host("a", "j@gatway") + host("gateway"), "targets.a.via", 'no target named "gatway"; did you mean "gateway"?'),
    (host("a", "j@web-*") + FLEET, "targets.a.via", '"web-*" is a pattern; a gateway is one ssh target'),
    (host("a", "j@g") + HTTP, "targets.a.via", '"g" is no ssh target; a gateway is one ssh target'),
    (host("a", "jump@a"), "targets.a.via", "leads back to itself: a, a"),
    (f"{ORDERS}{APP}via = 'j@a'\n{host('a')}", "targets.orders.via", "is for ssh targets, not for postgres"),
    (
        f'{FLEET}host_key = "x"',
        'targets."web-*".host_key',
        "does not fit many hosts; write host_ca, and let that CA sign each host's key",
    ),
    (
        FLEET.replace("host_ca", "# host_ca"),
        'targets."web-*".host_ca',
        "is missing; paste the public key of the CA that signs the hosts' keys",
    ),
    (FLEET.replace("{name}", "web"), 'targets."web-*".address', NO_NAME),
    (FLEET.replace("{name}", "{name}{name}"), 'targets."web-*".address', NO_NAME),
    (FLEET.replace("{name}", ""), 'targets."web-*".address', NO_NAME),
    (FLEET.replace("{name}", "{name}$(id)"), 'targets."web-*".address', '"name$(id).example.com" is not a host name'),
    (
        FLEET.replace("{name}.example.com", "[{name}]"),
        'targets."web-*".address',
        '"[name]" is not an address; write "host:port" or "[::1]:port"',
    ),
    (
        FLEET.replace('"ssh"', '"mysql"'),
        'targets."web-*".protocol',
        "a pattern is for ssh targets, not for mysql; name each target by itself",
    ),
    (
        f'{FLEET}networks = ["10.0.0.1/8"]',
        'targets."web-*".networks[0]',
        '"10.0.0.1/8" is not a network; write it as in "10.0.0.0/8"',
    ),
    (
        f'{FLEET}networks = ["0.0.0.0/0"]\nvia = "j@a"\n{host("a")}',
        'targets."web-*".networks',
        "does not go with via: it is the gateway that looks up where a name leads",
    ),
    (f"{WEB}networks = []", "targets.web-1.networks", "is for patterns; this target has one address"),
    (FLEET.replace("web-*", "web-[0-9]"), 'targets."web-[0-9]"', f'"web-[0-9]" cannot name a target: {CHARACTERS}'),
    (FLEET.replace("web-*", "-*"), 'targets."-*"', f'"-*" cannot name a target: {CHARACTERS}'),
    (WEB.replace("10.0.0.5", "{name}"), "targets.web-1.address", '"{name}" is not a host name'),
    (f'{WEB}algorithms = {{ kex = ["diffie-hellman-group14"] }}', "targets.web-1.algorithms.kex[0]", GROUP14),
    (
        f'{WEB}algorithms = {{ ciphers = ["none"] }}',
        "targets.web-1.algorithms.ciphers[0]",
        '"none" is no cipher algorithm known here',
    ),
    (
        f'{WEB}algorithms = {{ macs = ["none"] }}',
        "targets.web-1.algorithms.macs[0]",
        '"none" is no mac algorithm known here',
    ),
    (
        f'{WEB}algorithms = {{ kex = ["gss-gex-sha1"] }}',
        "targets.web-1.algorithms.kex[0]",
        '"gss-gex-sha1" is no key exchange algorithm known here',
    ),
    (
        f'{WEB}algorithms = {{ host_keys = ["ssh-dss"] }}',
        "targets.web-1.algorithms.host_keys[0]",
        "ssh-dss is too weak to be used; have the device make an rsa or ed25519 key",
    ),
    (
        f'{WEB}algorithms = {{ cipher = ["3des-cbc"] }}',
        "targets.web-1.algorithms.cipher",
        'is not a known key; did you mean "ciphers"?',
    ),
    (f'{WEB}algorithms = ["3des-cbc"]', "targets.web-1.algorithms", "must be a table, not a list"),
    (f"{ORDERS}{APP}algorithms = {{}}", "targets.orders.algorithms", "is for ssh targets, not for postgres"),
]


@pytest.mark.parametrize(("text", "where", "what"), WRONG)
def test_a_wrong_target_gets_one_line(text: str, where: str, what: str) -> None:
    told = [line for line in findings(text, PASSWORD) if line.startswith(f"{where}:")]
    assert told == [f"{where}: {what}"]


def test_gateways_make_a_chain() -> None:
    found = config(host("db", "app@inner") + host("inner", "jump@outer") + host("outer")).targets
    assert gateways(found["db"]) == [("app", "inner"), ("jump", "outer")]
    assert gateways(found["inner"]) == [("jump", "outer")]
    assert gateways(found["outer"]) == []


@pytest.mark.parametrize("size", [2, 3, MAX_GATEWAYS, MAX_GATEWAYS + 2])
def test_a_loop_is_told_of_each_that_is_in_it_and_of_no_other(size: int) -> None:
    loop = "".join(host(f"t{index}", f"j@t{(index + 1) % size}") for index in range(size))
    told = findings(loop + host("x", "j@t0"))
    members = {line.split(".")[1] for line in told if "leads back to itself" in line or "passes more than" in line}
    assert members >= {f"t{index}" for index in range(size)}
    assert len(told) == len(members)


@pytest.mark.parametrize("hops", [MAX_GATEWAYS, MAX_GATEWAYS + 1])
def test_the_depth_is_bounded(hops: int) -> None:
    text = "".join(host(f"t{index}", f"j@t{index + 1}") for index in range(hops)) + host(f"t{hops}")
    passed = ", ".join(f"t{index}" for index in range(hops + 1))
    line = f"targets.t0.via: passes more than {MAX_GATEWAYS} gateways: {passed}"
    assert findings(text) == ([line] if hops > MAX_GATEWAYS else [])


def test_what_is_wrong_further_along_is_told_there_alone() -> None:
    assert findings(host("a", "j@b") + host("b", "j@c")) == ['targets.b.via: no target named "c"']


def test_a_pattern_may_have_a_gateway() -> None:
    (pattern,) = config(FLEET + 'via = "jump@a"\n' + host("a")).patterns
    assert gateways(pattern) == [("jump", "a")]
    assert pattern.address == Address("{name}.example.com", 22)


def test_networks_of_a_pattern() -> None:
    (pattern,) = config(FLEET + 'networks = ["10.0.0.0/8", "fd00::/8"]').patterns
    assert pattern.networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


ROLE = '[roles.r]\ngroups = ["g"]\ntargets = [{}]\nlogins = ["x"]\nchannels = ["exec"]\n'
MASKING = "[masking]\n"


def warnings(text: str) -> list[str]:
    """Return what is warned of, without the file's name."""
    return [line.removeprefix("bastion.toml: ") for line in config(ISSUER + MASKING + text).warnings]


def test_relaxations_are_listed() -> None:
    weak = {"kex": "diffie-hellman-group14-sha1", "ciphers": "aes128-cbc", "macs": "hmac-sha1", "host_keys": "ssh-rsa"}
    text = WEB + "".join(f'algorithms.{key} = ["{name}"]\n' for key, name in weak.items())
    names = "diffie-hellman-group14-sha1, aes128-cbc, hmac-sha1, ssh-rsa"
    line = f"targets.web-1.algorithms: offers {names} to this target alone; weak or broken: {names}"
    assert warnings(text + ROLE.format('"web-1"')) == [line]
    sound = text.replace("14-sha1", "14-sha256").replace("-cbc", "-ctr").replace("hmac-sha1", "hmac-sha2-256")
    sound = sound.replace("ssh-rsa", "ssh-ed448")
    names = "diffie-hellman-group14-sha256, aes128-ctr, hmac-sha2-256, ssh-ed448"
    assert warnings(sound + ROLE.format('"web-1"')) == [
        f"targets.web-1.algorithms: offers {names} to this target alone"
    ]


def test_a_gateway_needs_no_role() -> None:
    text = host("db", "app@inner") + host("inner", "jump@outer") + host("outer")
    assert warnings(text + ROLE.format('"db"')) == []
    assert warnings(text + ROLE.format('"inner"')) == [
        "targets.db: no role reaches it; name it in the targets of a role with logins and channels"
    ]


@pytest.mark.parametrize("selector", ['"*"', '"web-*"', '"web-7"', '"web-7*"', '"*7"', '"w[a-e]b-?"', '{ env = "p" }'])
def test_a_pattern_is_reached_by_what_picks_some_of_its_names(selector: str) -> None:
    assert warnings(FLEET + 'labels = { env = "p" }\n' + ROLE.format(selector)) == []


@pytest.mark.parametrize("selector", ['"db-*"', '"web-?.*"', '"*.example.com"', '"w[f-z]b-?"'])
def test_a_glob_that_picks_no_name_of_a_pattern(selector: str) -> None:
    assert f"roles.r.targets: no target's name matches {selector}" in warnings(FLEET + ROLE.format(selector))


def test_a_role_may_name_one_target_of_a_pattern() -> None:
    assert findings(FLEET + ROLE.format('"web-7", "web-7.x"')) == [
        'roles.r.targets[1]: no target named "web-7.x"; did you mean "web-*"?'
    ]


def test_a_second_way_to_a_target_is_told() -> None:
    vault = host("vault").replace("10.0.0.5", "web-9.example.com")
    text = FLEET + vault + ROLE.format('"*"')
    rest = "where it goes by another name and other roles and rules"
    assert warnings(text) == [f'targets."web-*": matches "web-9", the address of targets.vault, {rest}']
    assert warnings(text.replace("vault", "web-9")) == []
    assert warnings(text.replace("web-9.example.com", "web-9.example.org")) == []
