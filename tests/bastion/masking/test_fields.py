"""What is personal by its field or column alone: every layout, however it is cut, and what only looks like one."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bastion.masking.styles import FixedStyle, Style
from tests.bastion.masking.generators import DEEP, ESCAPES, STYLES, VALUES, mask, new_masker
from tests.bastion.masking.layouts import LAYOUTS, PEOPLE
from tests.bastion.masking.test_split import oracle


@pytest.mark.parametrize(
    "text",
    [
        " full_name \n-----------\n ~Zoe~\n ~Jean Luc~\n(2 rows)\n\n",
        "$ psql\r\n     dob     \r\n─────────────\r\n ~12/03/1985~\r\n(1 row)\r\n",
        "last_name\n---------\n~Zoe~      \n~Jean Luc~ \n$ x\n",
        "+-----------+\n| last_name |\n+-----------+\n| ~Zoe~       |\n+-----------+\n1 row in set\n",
        "last_name\n~Zoe~\n~Jean Luc~\n",
        "Date of birth\r\n~12/03/1985~\r\n",
        "\ufeffname,email\n~Zoe~,\n",
        '\ufeff"name","email"\n"~Zoe~",\n',
        "cn: ~Zoe Zoom~\nsn: ~Zoom~\ntelephoneNumber: none\n",
        '{"displayName": "~Zoe~", "mail": ""}\n',
        "joe:x:1000:1000:~Zoe Zoom,,,~:/home/joe:/bin/bash\nann:*:5001:100:~Ann~:/home/ann:\n",
        "BEGIN:VCARD\nN:~Zoom;Zoe;;;~\nFN;CHARSET=X:~Zoe: Z~\n\n A\nitem1.TEL;X:~555~\nBDAY:~1985-03-12~\nEND:VCARD\n",
        '{"resourceType": "Patient", "name": [{"use": "official", "family": "~Zoom~", "given": ["~Zoe", "Mia~"]}]}\n',
        '"name": [\n  {\n    "family": "~Zoom~",\n    "given": [\n      "~Zoe~"\n    ]\n  }\n]\n',
        "User(dob=datetime.date(~1985, 3, 12~), id=7)\n{'birthday': datetime.datetime(~1985, 3, 12, 0, 0~)}\n",
        "{ _id: 5, dob: ISODate(\"~1985-03-12T00:00:00Z~\"), birthday: new Date('~1985-03-12~') }\n",
        "    [last_name] => ~Zoe Zoom~\n    [dob] => ~1985-03-12~\n",
        "<ns2:firstName>~Zoe~</ns2:firstName><x-y:dob>~1985-03-12~</x-y:dob>\n",
        "db.example.com:5432:orders:app:~s3cr3tPw~\n*:*:*:postgres:~hunter2~\n",
        "\rPID|1||123^^^X||~DOE^JOHN^Q~||~19800101~|M\r",
    ],
)
def test_lone_columns_and_odd_ones(text: str) -> None:
    raw = text.replace("~", "").encode()
    shown = mask(raw)
    for value in text.split("~")[1::2]:
        assert value.encode() not in shown
    assert mask(raw, list(range(len(raw)))) == shown
    assert mask(shown) == shown


@pytest.mark.parametrize("blank", ["\f", "\v", "\r", " ", "\t"])
def test_a_header_may_begin_with_any_blank(blank: str) -> None:
    assert mask(f"{blank}id,name,email\n1,Zoltan,\n".encode()).endswith(b"\n1,[NAME],\n")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_named_columns_are_always_masked(layout: str) -> None:
    head, row, foot = LAYOUTS[layout]
    text = (head + "".join(row.format(*person) for person in PEOPLE) + foot).encode()
    shown = mask(text)
    for value in (value for person in PEOPLE for value in person):
        assert not re.search(rb"(?<!\w)" + re.escape(value.encode()) + rb"(?!\w)", shown), (value, shown)
    assert mask(text, list(range(len(text)))) == shown
    assert shown.count(b"\n") == text.count(b"\n")
    assert shown.startswith(head.encode())
    assert len(mask(text, [], FixedStyle())) == len(text)
    assert mask(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "metadata:\n  name: web-1\n  namespace: default\n- name: nginx\n  image: nginx:1.27\n",
        "name: Build and test\nsteps:\n  - name: Check out\n    run: make\n",
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nNAME="Ubuntu"\n',
        " Schema |  Name  | Type  |  Owner\n--------+--------+-------+----------\n public | orders | table | root\n",
        "Name:         web-7d4b9c6f5d\nNamespace:    default\nLabels:       app=web\n",
        "Model name:  AMD EPYC Processor\nmodel name\t: AMD EPYC\n",
        "Please enter name, email and phone.\nThen, press, enter.\n",
        "id,title,price\n1,Book,3.50\n",
        "first_name = request.form['first_name']\nself.last_name = last_name\n",
        "def greet(first_name: str, email: str) -> None:\n    a, b, c = 1, 2, 3\n",
        "SELECT first_name, email, phone FROM people;\nx, y, z\n",
        "host,cpu,name\nweb-1,4,blue\n",
        "First name: \nLast name: \n",
        "CREATE TABLE p (first_name text, dob date, ssn text);\n",
        "CREATE TABLE p (id int, title text, dob date);\nINSERT INTO q VALUES (1, 'Zoltan', '1985-03-12');\n",
        "CREATE TABLE p (dob date);\nCREATE TABLE p (a text, b text);\nINSERT INTO p VALUES (1, '1985-03-12');\n",
        "CREATE TABLE p AS SELECT first_name, dob FROM q;\nINSERT INTO p VALUES ('x', 'y');\n",
        '<input name="first_name" value="">\n<label for="dob">Born</label>\n',
        "NAME   READY  IP        PHONE  NODE\nweb-1\n",
        "USER  PID  PHONE\nthis is no row at all\n",
        "Give the first name  and the ssn  , then the dob  of all\nPlease  do  it\n",
        "NAME  IP\n----  -------\nweb   up\n",
        "name  size\n----  ----\nweb   7\n",
        "Phone list:\n-- --\nZoe  7\n",
        "first_name last_name\n- this is a list - of words\nZoe Zoom\n",
        "<table><tr><th>name</th><th>state</th></tr><tr><td>web</td><td>up</td></tr></table>\n",
        "<tr><th>Name</th><td>nginx</td></tr>\n",
        "Notes\n\nSurname\n-------\nThe name of a family.\n",
        " name \n------\n web\n(1 row)\n",
        "words:\nsurname\nforename\nphone\n",
        '{"displayName": "server", "name": "x"}\nCN=web, SN=ab12\n',
        "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\ngit:x:1000:\n",
        "10:00:00 12:34:56\na:b:80:c:d:efgh\nfile.py:10:x:y: error\nlocalhost:8080:80:80:/srv:ro:x\n",
        "if x[last_name] >= y[dob] and z[ssn]: pass\n",
        "mobile\nmusic\npictures\n",
        "N: Unable to locate package\nN: 5\n12:30:1000:1000:\n",
        '{"font": {"family": "Roboto", "size": 3}, "family": "x86"}\n',
        "dob = date(year, month, day)\n",
        "[PHONE]\nwrite to\n",
        "id|7\nname|web\nstate|up\n",
    ],
)
def test_what_names_nobody_stays(text: str) -> None:
    assert mask(text.encode()).decode() == text


def test_a_table_ends_where_its_rows_end() -> None:
    text = b"id,name,dob\n1,Bob,1990-01-01\n$ ls\nBob\n{Bob}\n"
    assert mask(text) == b"id,name,dob\n1,[NAME],[BIRTH-DATE]\n$ ls\nBob\n{Bob}\n"


HEAD = b" id | name | dob\r\n----+------+-----\r\n"
PAGED = (
    b":\x1b[K",
    b"\r\x1b[K",
    b"\r\x1b[K...skipping...\r\n",
    b"\r\x1b[K/\x1b[Ka\x08ab\x08b\r\x1b[K\x1b[1;1H",
    b"\x1b[H\x1b[2J\x1b[H\x1bM----+------+-----\r\n\x1b[H\x1bM id | name | dob\r\n\x1b[H\x1bM",
    b"~\r\n",
    b"(8 rows)\r\n\x1b[7m(END)\x1b[27m\x1b[K\r\x1b[K\x1b[H\x1bM",
    b"\x1b[7m(END)\x1b[27m\x1b[K\r\x1b[K",
)
"""What less says between rows: at its prompt, while it searches, and on the way back."""


SECRET_DATA = """apiVersion: v1
data:
  .dockerconfigjson: eyJhdXRocyI6e319
  app.key: {}
  username: {}
kind: Secret
metadata:
  name: app
"""
CONFIG_DATA = """apiVersion: v1
data:
  LOG_LEVEL: debugger
  replicas: "3"
  sessions: 12345678
  mode: fullspeed
  nginx.conf: |
    server {
      listen 8080;
kind: ConfigMap
"""


def test_values_of_a_secret_are_masked_and_those_of_a_configuration_are_not() -> None:
    values = "kJ8vX2pQ7mN4wR1tY6uI9oP3sD5fG0hL", "YWRtaW4="
    yaml = SECRET_DATA.format(*values).encode()
    json = (
        b'{\n    "data": {\n        "app.key": "%s",\n        "username": "%s"\n    },\n    "kind": "Secret"\n}\n'
        % tuple(value.encode() for value in values)
    )
    for text in (yaml, json, yaml.replace(b"\n", b"\r\n")):
        for cuts in ([], list(range(len(text)))):
            shown = mask(text, cuts)
            assert shown == text.replace(values[0].encode(), b"[SECRET]").replace(
                values[1].encode(), b"[SECRET]"
            ).replace(b"eyJhdXRocyI6e319", b"[SECRET]")
    assert mask(CONFIG_DATA.encode()).decode() == CONFIG_DATA


def test_a_table_in_a_pager_goes_on() -> None:
    text = b"\x1b[?1049h\x1b[22;0;0t\x1b[?1h\x1b=\r" + HEAD
    for said in PAGED:
        text += b" 7 | Anna Abel | 1980-01-01\r\n" + said
    text += b" 8 | Bernd Brandt | 1980-01-01\r\n(8 rows)\r\n\r\n$ Anna Abel\r\n"
    for cuts in ([], list(range(len(text)))):
        shown = mask(text, cuts)
        assert shown.count(b"[NAME] | [BIRTH-DATE]") == len(PAGED) + 1
        assert shown.endswith(b"(8 rows)\r\n\r\n$ Anna Abel\r\n")


def test_a_table_in_an_editor_goes_on() -> None:
    """Rows are painted where they belong, and of a row only what is another letter now."""
    text = b"\x1b[?1049h\x1b[H\x1b[2Jname,id,dob\r\nAnna Abel,1,1980-01-01\r\nBernd Brandt,2,1981-02-03\r\n"
    text += (
        b"\x1b[?25h\x1b[?25lCarla Dorn,3,1982\x1b[1C03\x1b[6;40H\x1b[K\x1b[7;1HEmil Fink,4,1983-04-05\x1b[7;40H\x1b[K"
    )
    text += b"\x1b[8;1HFrida Graf,5,1984-05-06\x1b[20;1H\x1b[K:q!\r\nAnna\r\n"
    for cuts in ([], list(range(len(text)))):
        shown = mask(text, cuts)
        assert not re.search(rb"Abel|Brandt|Dorn|Fink|Graf|198", shown)
        assert shown.count(b"[NAME]") == 5
        assert shown.endswith(b"\x1b[20;1H\x1b[K:q!\r\nAnna\r\n")


def test_another_table_of_the_same_width_has_its_own_columns() -> None:
    text = b"id,name,email\n1,Bob,x\nname,city,phone\nBob,Rome,1\n"
    assert mask(text) == b"id,name,email\n1,[NAME],[EMAIL]\nname,city,phone\n[NAME],Rome,[PHONE]\n"


def test_nothing_of_an_overlong_row_is_shown() -> None:
    text = b"id,name,email\n1," + b"Bob " * 3000 + b",x\n2,Eve,y\n"
    for cuts in ([], list(range(0, len(text), 7))):
        shown = mask(text, cuts)
        assert b"Bob" not in shown
        assert b"Eve" not in shown
        assert shown.endswith(b"\n2,[NAME],[EMAIL]\n")


@pytest.mark.parametrize("size", [2040, 2052, 4090, 4095, 4096, 4097, 4098, 4110, 6000])
@pytest.mark.parametrize(
    ("head", "filler", "end"),
    [
        (b"id,email\n1,", b"Bob ", b"\n2,x\n"),
        (b"id,email\n", b'"Bob\n', b'"\n2,x\n'),
        (b"email,", b"a,", b"x\nBob,x\n"),
        (b" a | name \n", b"-", b"\n x | Bob \n"),
        (b"name dob\n---- -", b"-", b"\nBob  x\n"),
        (b"insert into t (name) values (", b"'Bob',", b"'x'), ('Bob');\n"),
        (b"create table t (a", b" ", b", name text); insert into t values ('x', 'Bob');\n"),
        (b"create table", b" ", b"t (a int, name text); insert into t values (1, 'Bob');\n"),
        (b"<th>name</th><td>", b"Bob ", b"</td></table>\n"),
    ],
)
def test_what_is_too_long_is_the_same_however_it_is_cut(head: bytes, filler: bytes, end: bytes, size: int) -> None:
    text = head + (filler * size)[:size] + end
    whole = mask(text)
    for cuts in (range(size % 9, len(text), 9), [len(head) + size // 2], [size], [len(text) - 1]):
        assert mask(text, list(cuts)) == whole
    begun = text[: len(head) + size]
    assert mask(begun, list(range(0, len(begun), 9))) == mask(begun)


def test_a_prompt_behind_a_table_does_not_wait() -> None:
    masker = new_masker(interactive=True)
    out = masker.feed(b"name,email\r\nBob,x\r\nroot@web:~# ") + masker.idle()
    assert out == b"name,email\r\n[NAME],[EMAIL]\r\nroot@web:~# "
    masker.typed(b"l")
    assert masker.feed(b"l") == b"l"


def test_a_pause_shows_nothing_of_a_personal_cell() -> None:
    for begun in (b"id,name,email\n1,Ali", b"first_name: Ali", b"COPY p (a, last_name) FROM stdin;\n1\tAli"):
        masker = new_masker(interactive=True)
        assert b"Ali" not in masker.feed(begun) + masker.idle() + masker.idle()


PARTS = [line for head, row, foot in LAYOUTS.values() for line in (head, row.format(*PEOPLE[0]), foot) if line]
PARTS += ["\ndata:\n  a: YWRtaW4x\n", "  b.c: Zm9vYmFyMQ==\n", '"data": {\n  "k": "YWRtaW4x"\n}']
PAINTED = ["\x1b[H\x1bM 1 | Bob | 1990-01-01 | 1", "\x1b[7;1HBob,1", "...skipping...\r\n"]
PARTS += ["name: ", "$ ", '"', ",", "\n", "\r\n", "'", "Anna Maria", "x" * 150, '1,"a\nb",c\n', "  ", "é"]


@st.composite
def structured(draw: st.DrawFn, *, escapes: bool = True) -> bytes:
    """Return pieces of tables, keys and values in a row, some of them cut."""
    pieces = []
    for _ in range(draw(st.integers(1, 8))):
        piece = draw(st.sampled_from(PARTS + PAINTED if escapes else PARTS)).encode()
        if draw(st.integers(0, 5)) == 0:
            piece = piece[: draw(st.integers(0, len(piece)))]
        pieces.append(piece)
        if draw(st.integers(0, 3)) == 0:
            pieces.append(draw(st.sampled_from(VALUES + (ESCAPES if escapes else []))))
    return b"".join(pieces)


@given(structured(), st.lists(st.integers(0, 1000), max_size=8), st.sampled_from(STYLES))
@settings(max_examples=100_000 if DEEP else 200)
def test_cuts_change_no_table(text: bytes, cuts: list[int], style: Style) -> None:
    whole = mask(text, [], style)
    assert mask(text, cuts, style) == whole
    assert mask(text, list(range(len(text))), style) == whole
    if style.keeps_length:
        assert len(whole) == len(text)


@given(structured(escapes=False))
@settings(max_examples=10_000 if DEEP else 50)
def test_tables_are_what_the_oracle_finds(text: bytes) -> None:
    assert mask(text) == oracle(text)


MORE_FLOODS = (
    b"BEGIN:VCARD\nFN:",
    b"id  dob  ",
    b"id  dob  ssn\n",
    b"\nPID|1|",
    b"a:x:1000:1000:",
    b"<th>dob",
    b"<th>dob<td>",
    b"create table ",
    b"create table p(a(",
    b"a dob\n- -",
    b"-- -- ",
    b"into p values ",
)


def test_floods_of_heads_are_held_no_longer_than_a_row() -> None:
    rng = random.Random(4)
    for flood in (
        b"email,",
        b"first_name: ",
        b"name: ",
        b"(a,email) values (",
        b"|ssn |",
        b'"name":"',
        b"(1,'",
        *MORE_FLOODS,
    ):
        masker = new_masker()
        for _ in range(40):
            masker.feed(flood * rng.randint(100, 500))
            assert masker.held <= 5_000
        masker.end()
        assert masker.held == 0
