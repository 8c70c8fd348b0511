"""`[targets.NAME]`: addresses, host keys and credentials, and the one line a wrong one gets."""

from pathlib import Path

import asyncssh
import pytest

from bastion.config.schema import Address
from bastion.model import Action
from tests.bastion.configs import KEY, ORDERS, SSH, WEB, config, findings

APP = 'credential = { kind = "password", user = "app", password_env = "PW" }\n'
PASSWORD = {"PW": "hunter2"}
HTTP = '[targets.g]\nprotocol = "http"\naddress = "{}"\ncredential = {{ kind = "token", token_env = "PW" }}'

WRONG = [
    ("targets = []", "targets: must be a table, not a list"),
    (
        f"[targets.Web]\n{SSH}",
        ("targets.Web: \"Web\" cannot name a target: use a-z, 0-9, '.', '_' and '-', a letter or digit first"),
    ),
    (
        f'[targets."-x"]\n{SSH}',
        ("targets.-x: \"-x\" cannot name a target: use a-z, 0-9, '.', '_' and '-', a letter or digit first"),
    ),
    (
        f'[targets."a\\u001b[2J"]\n{SSH}',
        'targets."a\\u001b[2J": must be one line without control or invisible characters',
    ),
    (
        f'[targets."../evil"]\n{SSH}',
        (
            'targets."../evil": "../evil" cannot name a target: '
            "use a-z, 0-9, '.', '_' and '-', a letter or digit first"
        ),
    ),
    (
        f'[targets.x]\naddress = "h"\nhost_key = "{KEY}"',
        "targets.x.protocol: is missing; one of ssh, postgres, mysql, http, kubernetes",
    ),
    (WEB.replace('"ssh"', '"shh"'), 'targets.web-1.protocol: "shh" is not known; did you mean "ssh"?'),
    (
        f'[targets.x]\nprotocol = "ssh"\nhost_key = "{KEY}"',
        'targets.x.address: is missing; write "host:port"',
    ),
    (WEB.replace("10.0.0.5", "10.0.0.5:0"), 'targets.web-1.address: "0" is not a port between 1 and 65535'),
    (
        WEB.replace("10.0.0.5", "root@10.0.0.5"),
        'targets.web-1.address: write "host:port" without a login; roles name the logins',
    ),
    (WEB.replace("10.0.0.5", "a b"), 'targets.web-1.address: "a b" is not a host name'),
    (WEB.replace("10.0.0.5", "$(id)"), 'targets.web-1.address: "$(id)" is not a host name'),
    (WEB.replace("10.0.0.5", "-oProxyCommand=id"), 'targets.web-1.address: "-oProxyCommand=id" is not a host name'),
    (
        '[targets.x]\nprotocol = "ssh"\naddress = "h"',
        ('targets.x.host_key: is missing, and host_ca too; paste "type base64", as "ssh-keyscan HOST" prints it'),
    ),
    (
        '[targets.x]\nprotocol = "ssh"\naddress = "h"\nhost_key = []',
        ('targets.x.host_key: is missing, and host_ca too; paste "type base64", as "ssh-keyscan HOST" prints it'),
    ),
    (
        WEB.replace(KEY, f"web-1 {KEY}"),
        (
            "targets.web-1.host_key: is not an openssh public key; "
            'paste "type base64", as "ssh-keyscan HOST" prints it after the host\'s name'
        ),
    ),
    (
        WEB.replace(f'"{KEY}"', f'["{KEY}", "x"]'),
        (
            "targets.web-1.host_key[1]: is not an openssh public key; "
            'paste "type base64", as "ssh-keyscan HOST" prints it after the host\'s name'
        ),
    ),
    (WEB.replace(f'"{KEY}"', "1"), "targets.web-1.host_key: must be text, not a number"),
    (f"{WEB}labels = 'prod'", 'targets.web-1.labels: must be a table, as in { env = "prod" }, not text'),
    (f"{WEB}labels = {{ tier = 1 }}", "targets.web-1.labels: a label's value must be text in quotes, not a number"),
    (
        f"{WEB}labels = {{ 'a b' = 'c' }}",
        "targets.web-1.labels: \"a b\" cannot name a label: use letters, digits, '.', '_' and '-'",
    ),
    (f"{WEB}default = 'ask'", 'targets.web-1.default: "ask" is not known; use one of allow, approve, deny'),
    (f"{WEB}database = 'x'", "targets.web-1.database: is for database targets, not for ssh"),
    (f"{WEB}hostkey = 'x'", 'targets.web-1.hostkey: is not a known key; did you mean "host_key"?'),
    (
        f"{ORDERS}{APP}host_key = '{KEY}'",
        "targets.orders.host_key: is for ssh targets, not for postgres",
    ),
    (
        ORDERS,
        ('targets.orders.credential: is missing; write { kind = "password", ... }, with the secret from file or env'),
    ),
    (
        f"{ORDERS}credential = {{ user = 'app', password_env = 'PW' }}",
        "targets.orders.credential.kind: is missing; one of password",
    ),
    (f"{ORDERS}credential = 'app'", "targets.orders.credential: must be a table, not text"),
    (
        f"{ORDERS}credential = {{ kind = 'certificate' }}",
        'targets.orders.credential.kind: "certificate" does not work for postgres; use password',
    ),
    (
        f"{WEB}credential = {{ kind = 'token', token_env = 'PW' }}",
        'targets.web-1.credential.kind: "token" does not work for ssh; use certificate or key or password',
    ),
    (
        f"{WEB}credential = {{ kind = 'cert' }}",
        'targets.web-1.credential.kind: "cert" is not known; use one of certificate, key, password, token',
    ),
    (
        f"{WEB}credential = {{ kind = 'password', password = 'hunter2' }}",
        (
            "targets.web-1.credential.password: a secret does not belong in this file; put it in a file of mode 0600 "
            "named in password_file, or in an environment variable named in password_env"
        ),
    ),
    (
        f"{WEB}credential = {{ kind = 'password' }}",
        (
            "targets.web-1.credential.password_file: is missing; "
            "name a file of mode 0600 here, or an environment variable in password_env"
        ),
    ),
    (
        f"{WEB}credential = {{ kind = 'password', password_env = 'PW', password_file = '/dev/null' }}",
        ("targets.web-1.credential.password_env: stands beside password_file; keep one of both"),
    ),
    (
        f"{WEB}credential = {{ kind = 'certificate', password_env = 'PW' }}",
        'targets.web-1.credential.password_env: is for credentials of kind "password", this one is "certificate"',
    ),
    (
        f"{WEB}credential = {{ kind = 'password', user = 'root', password_env = 'PW' }}",
        (
            "targets.web-1.credential.user: is not for ssh targets: "
            "the login is what stands before the @, and roles name those"
        ),
    ),
    (
        f"{ORDERS}credential = {{ kind = 'password', password_env = 'PW' }}",
        "targets.orders.credential.user: is missing; write the account to sign in with",
    ),
    (
        f"{ORDERS}credential = {{ kind = 'password', user = 'app', password_env = 'OTHER' }}",
        "targets.orders.credential.password_env: environment variable OTHER is not set",
    ),
    (
        f"{WEB}credential = {{ kind = 'key', key_env = 'PW' }}",
        (
            "targets.web-1.credential.key_env: "
            "holds no private key, or one with a passphrase, which nobody could type at start"
        ),
    ),
    (
        HTTP.format("ftp://h"),
        'targets.g.address: "ftp://h" is a url; write "host:port"',
    ),
]


@pytest.mark.parametrize(("text", "line"), WRONG)
def test_a_wrong_target_gets_one_line(text: str, line: str) -> None:
    assert findings(text, PASSWORD)[:1] == [line]


def test_only_what_follows_from_a_finding_is_left_out() -> None:
    """A target that is wrong is still a target: what names it is not reported as dangling."""
    assert findings('[targets.x]\nprotocol = 1\n[roles.r]\ngroups = ["g"]\ntargets = ["x"]')[1:] == [
        'targets.x.address: is missing; write "host:port"'
    ]


@pytest.mark.parametrize(
    ("protocol", "address", "expected", "tls"),
    [
        ("ssh", "h", Address("h", 22), False),
        ("ssh", "h:2200", Address("h", 2200), False),
        ("ssh", "[2001:db8::5]", Address("2001:db8::5", 22), False),
        ("postgres", "h", Address("h", 5432), False),
        ("mysql", "h", Address("h", 3306), False),
        ("http", "h", Address("h", 80), False),
        ("http", "http://h/", Address("h", 80), False),
        ("http", "https://h", Address("h", 443), True),
        ("http", "https://h:8443", Address("h", 8443), True),
        ("kubernetes", "h", Address("h", 443), True),
        ("kubernetes", "https://h:6443", Address("h", 6443), True),
    ],
)
def test_addresses(protocol: str, address: str, expected: Address, tls: bool) -> None:
    rest = {
        "ssh": f'host_key = "{KEY}"',
        "kubernetes": 'credential = { kind = "token", token_env = "PW" }',
    }.get(protocol, APP)
    target = config(f'[targets.t]\nprotocol = "{protocol}"\naddress = "{address}"\n{rest}', PASSWORD).targets["t"]
    assert (target.address, target.tls) == (expected, tls)


def test_an_ssh_target_signs_in_by_certificate_unless_told_otherwise() -> None:
    target = config(WEB).targets["web-1"]
    assert target.credential.kind == "certificate"
    assert target.host_keys == (KEY,)
    assert target.default is Action.ALLOW


def test_a_target_may_have_several_host_keys_or_a_ca() -> None:
    several = config(WEB.replace(f'"{KEY}"', f'["{KEY}", "{KEY} comment"]')).targets["web-1"]
    assert several.host_keys == (KEY, f"{KEY} comment")
    by_ca = config(WEB.replace("host_key", "host_ca")).targets["web-1"]
    assert (by_ca.host_keys, by_ca.host_cas) == ((), (KEY,))


def test_the_same_password_from_file_and_from_env(tmp_path: Path) -> None:
    secret = tmp_path / "pw"
    secret.touch(0o600)
    secret.write_text("hunter2\n")
    by_file = APP.replace('password_env = "PW"', 'password_file = "pw"')
    path = tmp_path / "bastion.toml"
    credential = config(f"{ORDERS}{by_file}", path=path).targets["orders"].credential
    assert credential.secret is not None
    assert (credential.user, credential.secret.reveal()) == ("app", "hunter2")
    assert "hunter2" not in repr(credential)
    other = config(f"{ORDERS}{APP}", PASSWORD).targets["orders"].credential.secret
    assert other is not None
    assert other.reveal() == "hunter2"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_secret_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "pw"
    secret.write_text("hunter2")
    secret.chmod(mode)
    text = f"{ORDERS}{APP}".replace('password_env = "PW"', 'password_file = "pw"')
    assert findings(text, path=tmp_path / "bastion.toml") == [
        f'targets.orders.credential.password_file: "{secret}" is open to others (mode {mode:04o}); chmod it to 600'
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, 'cannot read "{}": no such file or directory'),
        (b"", '"{}" is empty'),
        (b"\xff", '"{}" is not utf-8 text'),
        (b"x" * 70_000, '"{}" is larger than 64 kib'),
    ],
)
def test_a_secret_file_that_cannot_be_used(tmp_path: Path, content: bytes | None, line: str) -> None:
    secret = tmp_path / "pw"
    if content is not None:
        secret.touch(0o600)
        secret.write_bytes(content)
    text = f"{ORDERS}{APP}".replace('password_env = "PW"', 'password_file = "pw"')
    told = findings(text, path=tmp_path / "bastion.toml")
    assert told == [f"targets.orders.credential.password_file: {line.format(secret)}"]


def test_a_folder_is_no_secret_file(tmp_path: Path) -> None:
    text = f"{ORDERS}{APP}".replace('password_env = "PW"', 'password_file = "."')
    assert findings(text, path=tmp_path / "bastion.toml") == [
        f'targets.orders.credential.password_file: "{tmp_path}" is not a file'
    ]


def test_a_private_key_is_read_at_start_and_must_have_no_passphrase() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    text = f"{WEB}credential = {{ kind = 'key', key_env = 'KEY' }}"
    secret = config(text, {"KEY": key.export_private_key().decode()}).targets["web-1"].credential.secret
    assert secret is not None
    assert asyncssh.import_private_key(secret.reveal()).public_data == key.public_data
    locked = key.export_private_key(passphrase="x", cipher_name="aes256-ctr").decode()
    line = "holds no private key, or one with a passphrase, which nobody could type at start"
    assert findings(text, {"KEY": locked}) == [f"targets.web-1.credential.key_env: {line}"]
