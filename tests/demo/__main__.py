"""`make demo`: builds a world on loopback, tells the story, and stays up to be tried until Ctrl-C.

With ONCE=1 it ends after the story, with status 1 when a step did not do what it says. Its state is in var/demo (or
the folder given as its one argument) and made anew at each start. Everything it started ends with it.
"""

import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from tests.demo.stage import Stage, StoryError
from tests.demo.story import Story
from tests.lab.bastion import World
from tests.lab.process import LabError

ROOT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    """Run the demo and return its exit status."""
    folder = Path(arguments[0]).absolute() if arguments else ROOT / "var" / "demo"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT too: a script's background job ignores it
        signal.signal(number, _interrupt)
    stage = Stage(ROOT)
    folder.parent.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            stage.failure("another demo runs here already; end it with Ctrl-C first")
            return 1
        try:
            return _show(stage, folder, once=os.environ.get("ONCE", "") not in {"", "0"})
        except (StoryError, LabError) as error:
            stage.failure(str(error))
            return 1
        except KeyboardInterrupt:
            return 130


def _show(stage: Stage, folder: Path, *, once: bool) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    stage.step("A development identity provider, a target and the bastion are started, all on this machine's loopback.")
    with World(folder, login="demo", tell=stage.note) as world:
        story = Story(stage, world)
        story.play()
        if once:
            stage.title("Every step did what it says.")
            return 0
        _lines_to_try(stage, story)
        _stay(stage)
    stage.title("Everything is stopped.")
    return 0


def _lines_to_try(stage: Stage, story: Story) -> None:
    folder = stage.short(str(story.world.folder))
    ssh = {name: f"ssh -F {folder}/{name}/ssh_config" for name in story.people}
    bastion = stage.short(story.bastion)
    explain = f"{bastion} policy explain -c {folder}/bastion/bastion.toml --user alice --groups eng --target web-1"
    lines = {
        "a shell on the target, recorded and masked": f"{ssh['alice']} -J bastion {story.target}",
        "a command that is held": f"{ssh['alice']} -J bastion {story.target} 'deploy shop-2.2'",
        "the approver's live screen, in a third terminal": f"{ssh['bob']} -t bastion approvals watch",
        "the same from the command line": f"HOME={folder}/bob {bastion} approvals list",
        "without ProxyJump": f"{ssh['alice']} {story.world.login}%web-1@bastion customers",
        "the data protection officer sees it in clear": f"{ssh['carol']} -J bastion {story.target} customers",
        "recordings": f"HOME={folder}/bob {bastion} sessions list",
        "the journal": f"HOME={folder}/bob {bastion} audit log",
        "what the rules say of a command": f"{explain} --login {story.world.login} -- 'sh -c \"rm -fr //\"'",
        "log in yourself in a browser (alice, alice-pw)": f"HOME={folder}/alice {bastion} login --device",
        "what else there is": f"{ssh['alice']} bastion help",
    }
    stage.title(f"It stays up. Try these from a second terminal, in {ROOT}:")
    for comment, command in lines.items():
        stage.line(comment, command)


def _stay(stage: Stage) -> None:
    stage.title("Ctrl-C ends it.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
