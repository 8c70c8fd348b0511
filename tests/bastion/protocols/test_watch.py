"""Reading the line off the screen."""

from bastion.protocols.keys import Keys
from bastion.protocols.watch import Watcher


def test_the_line_stands_behind_the_prompt() -> None:
    watcher, keys = Watcher(80, 24), Keys()
    watcher.output(b"\x1b[?2004h$ ")
    watcher.begin(keys)
    watcher.output(b"touch m")
    assert watcher.editor
    assert (watcher.read(keys).text, watcher.read(keys).prompt) == ("touch m", "$ ")
