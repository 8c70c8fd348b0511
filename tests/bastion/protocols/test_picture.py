"""The rows around a line."""

from bastion.protocols.picture import Picture


def test_a_wrapped_line_is_one_line() -> None:
    picture = Picture(10, 5)
    picture.feed(b"$ ")
    mark = picture.mark
    picture.feed(b"echo abcdefgh")
    assert picture.line_from(mark) == ["echo abcdefgh"]
