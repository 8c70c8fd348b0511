from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.asciicast import Header
from recorder.errors import RecordingError, RecordingMissingError
from recorder.storage import DiskStorage, key_for
from recorder.writer import RecordingWriter

KEY = "2026/11/22/abc-DEF_09.cast"
BAD_KEYS = [
    "",
    "..",
    "../evil",
    "../../outside.cast",
    "/etc/passwd",
    "2026/11/22/../../../../etc/passwd",
    "2026/11/22/..cast",
    "2026/11/22/...cast",
    "2026/11/22/.cast",
    "2026/11/22/.hidden.cast",
    "2026/11/22/-x.cast",
    "2026/11/22/a b.cast",
    "2026/11/22/a\x00.cast",
    "2026/11/22/a.cast\n",
    "2026/11/22/a.txt",
    "2026/11/22/a/b.cast",
    "2026/11/22/" + "a" * 81 + ".cast",
    "2026/13/22/a.cast",
    "2026/11/32/a.cast",
    "2026/00/00/a.cast",
    "٢٠٢٦/11/22/a.cast",
    "2026/11/22/ä.cast",
    "2026//11/22/a.cast",
    "a.cast",
]


def record(storage: DiskStorage, key: str) -> Path:
    return RecordingWriter(storage.create(key), Header(command=key)).close(1.0, "0").path


def test_a_key_is_the_day_in_utc_and_the_session() -> None:
    late = datetime(2026, 11, 22, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert key_for("abc", late) == "2026/11/23/abc.cast"


@pytest.mark.parametrize("session", ["", "..", "../x", "a/b", "a.b", "a b", "é", "a\n", "-a", "x" * 81])
def test_an_id_that_is_no_id_makes_no_key(session: str) -> None:
    with pytest.raises(RecordingError, match="has the form"):
        key_for(session, datetime(2026, 11, 22, tzinfo=UTC))


def test_create_open_list_delete(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "recordings"
    storage = DiskStorage(root)
    assert list(storage.list()) == []
    keys = [KEY, "2025/01/02/old.cast", "2026/11/22/aaa.cast"]
    for key in keys:
        assert record(storage, key) == root / key
    assert [stored.key for stored in storage.list()] == sorted(keys)
    (first, *_) = storage.list()
    assert first.size == (root / first.key).stat().st_size
    assert first.modified.tzinfo is UTC
    assert storage.open(KEY).header.command == KEY
    assert storage.open(KEY).ended
    storage.delete("2025/01/02/old.cast")
    assert [stored.key for stored in storage.list()] == sorted([KEY, "2026/11/22/aaa.cast"])
    assert not (root / "2025").exists()
    storage.delete(KEY)
    assert (root / "2026/11/22/aaa.cast").exists()


def test_folders_and_files_are_for_the_owner_alone(tmp_path: Path) -> None:
    record(DiskStorage(tmp_path / "root"), KEY)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "root").rglob("*")}
    assert modes == {"2026": 0o700, "11": 0o700, "22": 0o700, "abc-DEF_09.cast": 0o600}
    assert (tmp_path / "root").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("key", BAD_KEYS)
def test_ghsa_76cc_no_path_of_a_user_reaches_the_file_system(tmp_path: Path, key: str) -> None:
    storage = DiskStorage(tmp_path / "root")
    for use in (storage.create, storage.open, storage.delete):
        with pytest.raises(RecordingError, match="has the form"):
            use(key)
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_no_other_text_is_a_key(text: str) -> None:
    with pytest.raises(RecordingError):
        DiskStorage(Path("/nonexistent")).open(text)


def test_what_is_not_there(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    for use in (storage.open, storage.delete):
        with pytest.raises(RecordingMissingError, match=f"^there is no recording {KEY}$"):
            use(KEY)


@pytest.mark.parametrize("link", ["2026", "2026/11", "2026/11/22", KEY])
def test_symbolic_links_are_refused(tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    DiskStorage(outside).create(KEY)
    (outside / KEY).write_bytes(b"secret")
    root = tmp_path / "root"
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside / link)
    storage = DiskStorage(root)
    for use in (storage.create, storage.open, storage.delete):
        with pytest.raises(RecordingError, match="lies behind a symbolic link"):
            use(KEY)
    assert list(storage.list()) == []
    assert (outside / KEY).read_bytes() == b"secret"


def test_the_root_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    record(DiskStorage(tmp_path / "root"), KEY)
    assert (tmp_path / "disk" / KEY).is_file()


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    record(storage, KEY)
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "2026" / "11" / "lost+found").mkdir()
    assert [stored.key for stored in storage.list()] == [KEY]
    (tmp_path / "2027").write_text("x")
    with pytest.raises(RecordingError, match=r"cannot create the recording .*: file exists"):
        storage.create("2027/01/01/a.cast")


def test_a_link_is_refused_before_anything_is_created_behind_it(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "2026").symlink_to(tmp_path / "outside")
    with pytest.raises(RecordingError, match="lies behind a symbolic link"):
        DiskStorage(tmp_path / "root").create(KEY)
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_recording_deleted_while_listing_is_passed_over(tmp_path: Path) -> None:
    storage = DiskStorage(tmp_path)
    for name in "abc":
        record(storage, f"2026/11/22/{name}.cast")
    listing = storage.list()
    assert next(listing).key == "2026/11/22/a.cast"
    storage.delete("2026/11/22/b.cast")
    assert [stored.key for stored in listing] == ["2026/11/22/c.cast"]


def test_a_root_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordingError, match=r"cannot list the recordings in .*/file: not a directory"):
        list(DiskStorage(tmp_path / "file").list())


def test_a_probe_leaves_nothing_and_says_what_is_wrong(tmp_path: Path) -> None:
    root = tmp_path / "new" / "recordings"
    assert DiskStorage(root).probe() >= 0
    assert list(root.iterdir()) == []
    assert root.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="cannot write recordings below "):
        DiskStorage(tmp_path / "file").probe()
