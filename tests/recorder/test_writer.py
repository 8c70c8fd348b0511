import hashlib
import os
import signal
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from recorder.asciicast import Code, Event, Header
from recorder.errors import RecordingError
from recorder.reader import Recording
from recorder.writer import RecordingWriter

# Writes until the kernel refuses, in a process of its own: limits and mounts hold for whole processes. Says on stderr
# how many chunks were taken and every error's text, and gives the file on stdout.
FILL = """
import resource, signal, sys
from pathlib import Path
from recorder.asciicast import Header
from recorder.errors import RecordingError
from recorder.writer import RecordingWriter
path = Path(sys.argv[1])
if sys.argv[2] != "0":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
writer = RecordingWriter(path, Header())
for number in range(10_000):
    try:
        writer.write("o", b"%06d " % number * 100, number)
    except RecordingError as error:
        print(number, error, sep="\\n", file=sys.stderr)
        break
for attempt in (
    lambda: writer.write("o", b"x", 1e6),
    lambda: writer.resize(1, 1, 1e6),
    lambda: writer.close(1e6, "0"),
    lambda: writer.marker("m", 1e6),
    lambda: RecordingWriter(path.with_name("next.cast"), Header(command="x" * 300_000)),
):
    try:
        attempt()
    except RecordingError as error:
        print(error, file=sys.stderr)
sys.stdout.buffer.write(path.read_bytes())
"""

# Writes for ever, telling after each chunk that the writer has returned.
WRITE_ON = """
import sys
from io import BytesIO
from pathlib import Path
from recorder.asciicast import Header
from recorder.writer import RecordingWriter
writer = RecordingWriter(Path(sys.argv[1]), Header(bastion={"session": "s"}))
number = 0
while True:
    writer.write("o", b"%09d " % number * 1000, number / 1000)
    print(number, flush=True)
    number += 1
"""


def test_what_is_written_is_read_back_and_sealed(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "one.cast"
    header = Header(100, 30, 1_795_000_000, "ls", "title", "xterm", {"session": "s1", "target": "web-1"})
    writer = RecordingWriter(path, header, durable=True)
    writer.write(Code.OUTPUT, b"hel", 0.1)
    writer.write(Code.OUTPUT, "lo €".encode()[:-1], 0.2)
    writer.resize(120, 40, 0.25)
    writer.write("e", b"\xff\x00", 0.3)
    writer.marker("approved\nby carol", 0.4)
    writer.write(Code.OUTPUT, "€".encode()[-1:], 0.5)
    sealed = writer.close(0.75, "0")

    recording = Recording.open(path)
    assert recording.header == header
    assert list(recording.events()) == [
        Event(0.1, Code.OUTPUT, b"hel"),
        Event(0.2, Code.OUTPUT, b"lo "),
        Event(0.25, Code.RESIZE, b"120x40"),
        Event(0.3, Code.ERROR, b"\xff\x00"),
        Event(0.4, Code.MARKER, b"approved\nby carol"),
        Event(0.5, Code.OUTPUT, "€".encode()),
        Event(0.75, Code.MARKER, b"exit 0"),
    ]
    assert (recording.ended, recording.duration, recording.ending.exit_status) == (True, 0.75, "0")
    content = path.read_bytes()
    assert (sealed.path, sealed.size, sealed.events) == (path, len(content), 7)
    assert sealed.sha256 == hashlib.sha256(content).hexdigest()
    assert recording.digest() == (sealed.size, sealed.sha256)


def test_only_the_owner_can_read_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "one.cast"
    before = os.umask(0)
    try:
        writer = RecordingWriter(path, Header())
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.parent.parent.stat().st_mode & 0o777 == 0o700
        writer.close(0)
    finally:
        os.umask(before)


def test_nothing_is_overwritten_and_no_link_followed(tmp_path: Path) -> None:
    taken = tmp_path / "taken.cast"
    taken.write_bytes(b"precious")
    link = tmp_path / "link.cast"
    link.symlink_to(tmp_path / "elsewhere")
    for path in (taken, link):
        with pytest.raises(RecordingError, match=r"cannot create the recording .*: file exists"):
            RecordingWriter(path, Header())
    assert taken.read_bytes() == b"precious"
    assert not (tmp_path / "elsewhere").exists()


def test_bytes_are_with_the_kernel_when_write_returns(tmp_path: Path) -> None:
    path = tmp_path / "one.cast"
    writer = RecordingWriter(path, Header())
    for number in range(5):
        writer.write(Code.OUTPUT, b"x" * (number + 1), number)
        assert sum(len(event.data) for event in Recording.open(path).events() if event.code is Code.OUTPUT) == sum(
            range(number + 2)
        )
    writer.close(5)


@pytest.mark.parametrize("status", [None, "0", "137", "SIGTERM"])
def test_exit_status(tmp_path: Path, status: str | None) -> None:
    path = tmp_path / "one.cast"
    RecordingWriter(path, Header()).close(1.0, status)
    assert Recording.open(path).ended
    assert Recording.open(path).ending.exit_status == status


def test_a_closed_writer_takes_nothing_more(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path / "one.cast", Header())
    writer.close(1.0)
    for attempt in (lambda: writer.write("o", b"x", 2.0), lambda: writer.close(2.0), lambda: writer.resize(1, 1, 2.0)):
        with pytest.raises(RecordingError, match="is closed"):
            attempt()


def open_descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    before = open_descriptors()
    RecordingWriter(tmp_path / "one.cast", Header()).close(1.0)
    with pytest.raises(RecordingError):
        RecordingWriter(tmp_path / "one.cast", Header())
    assert open_descriptors() == before


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RecordingError, match=r"cannot create the recording .*/file/one.cast: not a directory"):
        RecordingWriter(tmp_path / "file" / "one.cast", Header())


def fill(command: list[str], path: Path, limit: int) -> tuple[bytes, int, list[str]]:
    """Run FILL and return the file, the number of chunks taken and the errors' texts."""
    arguments = [*command, sys.executable, "-c", FILL, str(path), str(limit)]
    done = subprocess.run(arguments, capture_output=True, check=True)
    number, *errors = done.stderr.decode().splitlines()
    return done.stdout, int(number), errors


def check_torn(content: bytes, taken: int) -> None:
    """Check that a file whose last line is torn holds all that was taken, and reads as cut off."""
    assert not content.endswith(b"\n")
    recording = Recording(lambda: BytesIO(content), "full")
    events = list(recording.events())
    assert b"".join(event.data for event in events[:-1]) == b"".join(b"%06d " % n * 100 for n in range(taken))
    assert events[-1] == Event(events[-2].time, Code.MARKER, b"cut off")
    assert not recording.ended
    assert recording.duration == taken - 1


def test_a_file_that_may_not_grow_fails_the_writer_and_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "full.cast"
    content, taken, errors = fill([], path, 20_000)
    assert errors == [
        *[f"cannot write the recording {path}: file too large"] * 5,
        f"cannot write the recording {tmp_path}/next.cast: file too large",
    ]
    assert len(content) == 20_000
    check_torn(content, taken)


def test_disk_full_fails_the_writer_and_stays_readable(tmp_path: Path) -> None:
    """A real file system of 128 KiB, mounted in a namespace of its own, which needs no privileges."""
    path = tmp_path / "full.cast"
    mount = f'mount -t tmpfs -o size=128k none {tmp_path} && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    content, taken, errors = fill(command, path, 0)
    assert errors == [
        *[f"cannot write the recording {path}: no space left on device"] * 5,
        f"cannot write the recording {tmp_path}/next.cast: no space left on device",
    ]
    assert taken > 100
    check_torn(content, taken)


def test_a_killed_writer_leaves_a_readable_recording(tmp_path: Path) -> None:
    path = tmp_path / "killed.cast"
    with subprocess.Popen([sys.executable, "-c", WRITE_ON, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(50):
            last = int(child.stdout.readline())
        child.kill()
        rest = child.stdout.read().split("\n")[:-1]
    last = int(rest[-1]) if rest else last
    assert child.returncode == -signal.SIGKILL
    recording = Recording.open(path)
    assert recording.header.bastion == {"session": "s"}
    events = list(recording.events())
    assert len(events) - 1 >= last + 1  # all that the writer had said was written
    for number, event in enumerate(events[:-1]):
        assert event.data == b"%09d " % number * 1000
    assert events[-1].data == b"cut off"
    assert not recording.ended
    assert recording.duration == events[-1].time
