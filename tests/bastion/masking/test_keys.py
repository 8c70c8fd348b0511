"""What is said about a secret before it: found from its end, as far as it goes."""

import re

import pytest

from bastion.masking.keys import PASSWORD, backwards, find_key

WORD = re.compile(rb"(?i)" + PASSWORD + rb"\Z")
PARTS = (
    b"pass word secret client access key id base api token auth bot _ - t.sid connec mot de passe j sessionid".split()
)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (rb"a(?:b|cd)?e{2}", b"acdee"),
        (rb"[\]\w]+?\.x\xc3\xa9", b"]a.x\xc3\xa9"),
        (rb"(?<![a-z])b(?:c(?=d)|e(?!f))[d-f]*", b"bcd"),
        (rb"(?<=.)x\bq?(?<!y) {0,3}z", b"x  z"),
    ],
)
def test_a_pattern_reads_the_same_backwards(pattern: bytes, text: bytes) -> None:
    turned = re.compile(backwards(pattern))
    for place in range(len(text)):
        for cut in (text, text[:place] + text[place + 1 :], text[:place]):
            whole = re.search(pattern + rb"\Z", cut) is not None
            assert (turned.match(cut[::-1]) is not None) == whole


def test_a_key_goes_as_far_back_as_it_may() -> None:
    for first in PARTS:
        for second in PARTS:
            for third in PARTS:
                word = first + second + third
                found, key = WORD.search(word), find_key(word + b"=x", len(word) + 1)
                if found is None and word.endswith(b"pass"):
                    continue  # a key by other rules
                assert (None if key is None else key.text) == (None if found is None else found[0] + b"=")


@pytest.mark.parametrize(
    ("before", "sure"),
    [
        (b"password=", True),
        (b"password: ", False),
        (b'password: "', True),
        (b"Password was: ", False),
        (b"mysql -u root -p", True),
        (b"mysqldump -u root -p'", True),
        (b"docker -l debug login -p ", True),
        (b"<phpsessid>", True),
        (b"mysql -u root -p ", None),
        (b"xmysql -u root -p", None),
        (b"mysql x; y -p", None),
        (b"MYSQL -p", None),
        (b"net x -u a%", None),
        (b"curl " + b"x" * 99 + b" -u joe:", True),
        (b"curl " + b"x" * 100 + b" -u joe:", None),
        (b"pass=", False),
        (b'"dbPass": "', False),
        (b"pass: ", None),
        (b"bypass=", None),
        (b"password ", False),
        (b"xpassword ", None),
    ],
)
def test_what_is_a_key(before: bytes, sure: bool | None) -> None:
    key = find_key(before + b"x", len(before))
    assert (None if key is None else key.sure) == sure
