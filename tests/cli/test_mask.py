"""`bastion mask`: what masking finds in a file, and why."""

import json
import os
import subprocess
from pathlib import Path

from tests.cli.door import PROGRAM
from tests.cli.test_local_commands import CONFIG

TEXT = "id,mail\n1,jane.doe@example.com and 4111 1111 1111 1111\nstaff EMP-123456 Blue Heron\n"
MASKING = r"""
[masking]
detectors = ["email"]

[masking.custom.staff-no]
patterns = ["EMP-\\d{6}"]
context = ["staff"]

[masking.custom.project]
words_file = "words.txt"
"""


def mask(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "mask", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, input=stdin, check=False, capture_output=True, text=True, timeout=60
    )


def test_a_file_is_shown_masked_and_each_value_explained(tmp_path: Path) -> None:
    (tmp_path / "text").write_text(TEXT)
    done = mask(tmp_path, "test", "text")
    assert done.returncode == 0, done.stderr
    shown, _, why = done.stdout.partition("\n\n")
    assert shown.splitlines() == ["id,mail", "1,[EMAIL] and [CARD]", "staff EMP-123456 Blue Heron"]
    assert [line.split()[:3] for line in why.splitlines()[1:]] == [["2", "3", "email"], ["2", "28", "card"]]
    assert "jane.doe" not in done.stdout


def test_a_value_known_by_its_place_alone_says_so(tmp_path: Path) -> None:
    done = mask(tmp_path, "test", "--json", stdin="ssn: 219-09-9999\nssn,x\n078051120,1\nto joe@example.org\n")
    reasons = [value["why"] for value in json.loads(done.stdout)["values"]]
    assert reasons == ["what its field or column is called"] * 2 + ["address, by its form"]


def test_json_of_standard_input(tmp_path: Path) -> None:
    done = mask(tmp_path, "test", "--json", "--style", "fixed", "--detectors", "email", stdin=TEXT)
    answer = json.loads(done.stdout)
    assert answer["masked"] == {"email": 1}
    assert answer["text"] == TEXT.replace("jane.doe@example.com", "*" * 20)
    (value,) = answer["values"]
    assert (value["type"], value["line"], value["column"], value["length"]) == ("email", 2, 3, 20)


def test_detectors_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "bastion.toml").write_text(CONFIG + MASKING)
    (tmp_path / "words.txt").write_text("# projects\n\nBlue Heron\n")
    done = mask(tmp_path, "test", "-c", "bastion.toml", "-", stdin=TEXT)
    assert done.returncode == 0, done.stderr
    assert "1,[EMAIL] and 4111 1111 1111 1111\nstaff [STAFF-NO] [PROJECT]\n" in done.stdout
    listed = json.loads(mask(tmp_path, "detectors", "-c", "bastion.toml", "--json").stdout)
    assert {row["type"] for row in listed} == {"email", "staff-no", "project"}


def test_all_detectors_have_samples_that_they_find(tmp_path: Path) -> None:
    listed = json.loads(mask(tmp_path, "detectors", "--json").stdout)
    assert {row["type"] for row in listed} >= {"email", "phone", "iban", "card", "national-id", "ip", "mac", "secret"}
    assert all(row["samples"] for row in listed)


def test_wrong_words(tmp_path: Path) -> None:
    assert mask(tmp_path, "test", "--detectors", "mail").returncode == 2
    assert mask(tmp_path, "test", "missing").returncode == 1
    assert mask(tmp_path, "test", "--target", "web-1").returncode == 2
    (tmp_path / "bastion.toml").write_text(CONFIG)
    assert "no target nowhere" in mask(tmp_path, "test", "-c", "bastion.toml", "--target", "nowhere").stderr
