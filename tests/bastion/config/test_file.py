"""The file as a whole: the contract's example, the template, all findings at once, broken TOML, and any junk."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bastion.config.file import load
from bastion.config.schema import Address
from bastion.config.template import template
from bastion.errors import ConfigError
from bastion.model import ChannelKind, ControlRight
from tests.bastion.configs import KEY, RULE, WEB, config, findings

EXAMPLE = (Path(__file__).parent / "contract.toml").read_text(encoding="utf-8")


def example() -> str:
    return EXAMPLE.replace("ssh-ed25519 AAAA…", KEY)


def test_the_contracts_example_loads_verbatim() -> None:
    found = config(example(), {"ORDERS_PASSWORD": "x"})
    assert found.server.metrics == Address("127.0.0.1", 9322)
    assert found.roles["engineer"].channels == {ChannelKind(name) for name in ("shell", "exec", "sftp", "forward")}
    assert found.roles["approver"].control == set(ControlRight)
    assert [rule.name for rule in found.rules] == ["wipe", "prod-change"]
    assert found.rules[0].commands == ("rm -rf /", "mkfs.* **", "** | sh")
    assert found.rules[1].opaque is True
    assert found.masking.unmasked_groups == ("dpo",)


def test_the_contracts_commented_lines_and_other_choices_load_too() -> None:
    text = (
        example().replace("# request =", "request =").replace('channels = ["shell"', 'channels = ["subsystem", "shell"')
    )
    assert config(text, {"ORDERS_PASSWORD": "x"}).roles["engineer"].request is not None


def test_every_finding_is_reported_at_once_in_the_files_order() -> None:
    text = """
    [server]
    listen = 1
    [store]
    database = "x"
    [targets.a]
    [roles.r]
    targets = ["b"]
    [[rules]]
    [masking]
    style = "x"
    [retention]
    audit = "x"
    [whatever]
    """
    paths = [line.split(": ")[0] for line in findings(text)]
    assert paths == [
        "server.listen",
        "store.database",
        "targets.a.protocol",
        "targets.a.address",
        "roles.r.groups",
        "roles.r.targets[0]",
        "rules[0].action",
        "rules[0].name",
        "masking.style",
        "retention.audit",
        "whatever",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[server", "line 1, column 8: expected ']' at the end of a table declaration"),
        ("\n\nlisten = ", "line 3, column 10: invalid value"),
        ("a = 1\na = 2\n", "line 2, column 6: cannot overwrite a value"),
        ('a = "\\q"', "line 1, column 8: unescaped '\\' in a string"),
        ("[targets.web-1]\n[targets.web-1]", "line 2, column 15: cannot declare ('targets', 'web-1') twice"),
        ("a = '''\nx", "line 2, column 2: expected \"'''\""),
        ("a = " + "[" * 100_000, "is nested too deeply"),
        ("a = " + "1" * 10_000, "holds a number or a date that is out of range"),
    ],
)
def test_broken_toml_is_reported_with_line_and_column(text: str, line: str) -> None:
    assert findings(text) == [line]


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "bastion.toml"
    with pytest.raises(ConfigError, match=re.escape(f'{path}: no such file; write one with "bastion init"')):
        load(path, {})


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: is a directory"):
        load(tmp_path, {})


def test_text_that_is_not_utf8_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bastion.toml"
    path.write_bytes(b"[server]\n# \xff\n")
    with pytest.raises(ConfigError, match=r"bastion\.toml: line 2: is not utf-8 text"):
        load(path, {})


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bastion.toml"
    path.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    with pytest.raises(ConfigError, match="is larger than 4 mib"):
        load(path, {})


def test_a_file_that_everybody_may_change_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bastion.toml"
    path.write_text("")
    path.chmod(0o666)
    with pytest.raises(ConfigError, match=r"can be changed by everybody \(mode 0666\)"):
        load(path, {})


def test_paths_are_relative_to_the_file_and_not_to_where_a_link_leads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "elsewhere.toml").write_text(WEB)
    (tmp_path / "etc" / "bastion.toml").symlink_to(tmp_path / "elsewhere.toml")
    monkeypatch.chdir(tmp_path)
    found = load(Path("etc/bastion.toml"), {})
    assert found.path == tmp_path / "etc" / "bastion.toml"
    assert found.server.host_keys == tmp_path / "etc" / "hostkeys"
    assert found.store.database == f"sqlite:///{tmp_path}/etc/var/bastion.db"


def test_a_byte_order_mark_and_crlf_are_read(tmp_path: Path) -> None:
    path = tmp_path / "bastion.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WEB.replace("\n", "\r\n").encode())
    assert set(load(path, {}).targets) == {"web-1"}


def filled(text: str) -> str:
    for key, value in (("url", "https://idp.example.com"), ("address", "10.0.0.5:22"), ("host_key", KEY)):
        text = text.replace(f'\n{key} = ""', f'\n{key} = "{value}"')
    return text


def test_a_new_template_asks_for_one_issuer_and_one_target() -> None:
    paths = [line.split(": ")[0] for line in findings(template())]
    assert paths == ["issuers.corp.url", "targets.web-1.address", "targets.web-1.host_key"]


def test_a_filled_template_is_accepted_without_a_warning() -> None:
    found = config(filled(template(["bastion.example.com", "10.0.0.1"])))
    # A version that does not find all kinds of value yet says so.
    assert [line for line in found.warnings if "masking.detectors" not in line] == []
    assert found.server.listen == Address("127.0.0.1", 2222)
    assert found.server.names == ("bastion.example.com", "10.0.0.1")
    assert "email" in found.masking.detectors


def test_what_the_template_shows_in_comments_is_accepted_as_well() -> None:
    """Each commented line of configuration is switched on, where it does not stand beside another choice."""
    text = re.sub(r"(?m)^# (?=(?:\[\[?[a-z]|[a-z_]+ = )(?!.*key_file))", "", filled(template()))
    text = text.replace("ssh-ed25519 AAAA...", KEY)
    secrets = {"BASTION_CLIENT_SECRET": "x", "ORDERS_PASSWORD": "x", "SRE_CHAT_URL": "json://127.0.0.1/"}
    found = config(text, secrets)
    assert set(found.issuers) == {"corp", "agents"}
    assert set(found.targets) == {"web-1", "db-host", "orders"}
    assert [pattern.name for pattern in found.patterns] == ["app-*.example.com"]
    assert found.roles["engineer"].request is not None
    assert found.masking.columns
    assert found.server.metrics is not None


VALUES: st.SearchStrategy[object] = st.recursive(
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.sampled_from(["ssh", "*", "web-1", "1h", KEY]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = sorted(set(re.findall(r"(?m)^#? ?([a-z_]+) = ", EXAMPLE)))
SECTIONS = ["server", "store", "certificates", "issuers.i", "targets.t", "roles.r", "[rules]", "masking", "retention"]


def toml(value: object) -> str:
    """Write a value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = "".join(f"\\U{ord(character):08x}" for character in value if not "\ud800" <= character <= "\udfff")
        return f'"{escaped}"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{toml(key)} = {toml(item)}' for key, item in value.items())} }}"
    return str(value)


@given(
    st.lists(
        st.tuples(st.sampled_from(SECTIONS), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)),
        unique_by=lambda section: section[0],
    )
)
def test_no_values_raise_anything_but_a_config_error(sections: list[tuple[str, dict[str, object]]]) -> None:
    lines = [
        f"[{name}]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in table.items()) for name, table in sections
    ]
    for line in findings("\n".join(lines)):
        assert line.isprintable()
        assert re.match(r'([\w.\[\]-]|"([^"\\]|\\.)*")+: ', line)


@given(
    st.sampled_from(["commands", "regex"]),
    st.text(alphabet="'\"\\|<>*?[](){}&;-+^$.!/~ a1") | st.text(),
)
def test_no_pattern_raises_anything_but_a_config_error(key: str, pattern: str) -> None:
    for line in findings(f"{RULE}{key} = [{toml(pattern)}]"):
        assert line.startswith(f"rules[0].{key}[0]: ")
        assert line.isprintable()


@given(st.text() | st.text(alphabet="[]{}=\"'\\\n,.a1# "))
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    for line in findings(text):  # which lets any other error through
        assert line.isprintable()
