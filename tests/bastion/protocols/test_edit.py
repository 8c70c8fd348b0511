"""The line editor's model."""

from bastion.protocols.edit import LineBuffer


def test_what_was_killed_comes_back() -> None:
    line = LineBuffer()
    line.insert("touch m")
    line.kill_line()
    assert line.text == ""
    line.yank()
    assert line.text == "touch m"
