"""`[masking]`, detectors of one's own, and what targets and roles say differently."""

from pathlib import Path

import pytest

from bastion.config.schema import CustomDetector
from bastion.masking.choice import in_force
from tests.bastion.configs import SSH, config, findings

BASE = '[masking]\ndetectors = ["email", "card"]\nunmasked_groups = ["dpo", "legal"]\n'


def test_custom_detectors(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("# people\nErika Muster\n\n  Jon Doe  \n", encoding="utf-8")
    text = (
        '[masking.custom.staff]\npatterns = "EMP-[0-9]{6}"\ncontext = ["staff"]\n'
        '[masking.custom.names]\nwords = ["Ann Other"]\nwords_file = "names.txt"\n'
    )
    assert config(text, path=tmp_path / "bastion.toml").masking.custom == (
        CustomDetector("staff", ("EMP-[0-9]{6}",), ("staff",)),
        CustomDetector("names", words=("Ann Other", "Erika Muster", "Jon Doe")),
    )


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("[masking.custom.a-b]", "masking.custom.a-b: has nothing to look for; write patterns or words"),
        ('[masking.custom.card]\nwords = ["Falcon"]', "masking.custom.card: take another name"),
        ("[masking.custom.x-y]\npatterns = ['(a+)+$']", "masking.custom.x-y.patterns: '(a+)+$' repeats a repetition"),
        ("[masking.custom.x-y]\npatterns = ['.*']", "masking.custom.x-y.patterns: '.*' takes any character in"),
        ("[masking.custom.x-y]\npatterns = ['[0-9]+']", "masking.custom.x-y.patterns: '[0-9]+' is not anchored"),
        ("[masking.custom.x-y]\nwords = ['ab']", "masking.custom.x-y.words: 'ab' must have 3 to 64 bytes"),
        ("[masking.custom.x-y]\nwords_file = 'gone.txt'", "masking.custom.x-y.words_file: "),
        (
            "[masking.custom.x-y]\nwords = ['abc']\npattern = 'EMP-12'",
            "masking.custom.x-y.pattern: is not a known key; did you mean",
        ),
        (f'[targets.t]\n{SSH}masking = {{ detectors = ["mail"] }}', "targets.t.masking.detectors: there is no"),
        (f'[targets.t]\n{SSH}masking = {{ on_error = "drop" }}', "targets.t.masking.on_error: "),
        ('[roles.r]\ngroups = ["g"]\nmasking = { on_error = "pass" }', "roles.r.masking.on_error: is for targets"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(text: str, finding: str) -> None:
    assert [line[: len(finding)] for line in findings(text)][:1] == [finding]


def test_a_target_that_lets_output_through_is_a_warning() -> None:
    found = config(f'{BASE}[targets.t]\n{SSH}masking = {{ on_error = "pass" }}\n')
    assert any(line.startswith("bastion.toml: targets.t.masking.on_error:") for line in found.warnings)


@pytest.mark.parametrize(
    ("target", "one", "other", "expected"),
    [
        ("", "", "", {"detectors": ("email", "card"), "style": "tag", "unmasked_groups": ("dpo", "legal")}),
        ('detectors = ["ip"]', "", "", {"detectors": ("ip",)}),
        ("detectors = []", "", "", {"detectors": ()}),
        ('detectors = ["ip"]', 'detectors = ["mac"]', "", {"detectors": ("ip", "mac")}),
        ("", 'detectors = ["ip"]', 'detectors = ["email"]', {"detectors": ("ip", "email")}),
        ("", 'style = "partial"', "", {"style": "partial"}),
        ('style = "fixed"', 'style = "partial"', 'style = "pseudonym"', {"style": "fixed"}),
        ('unmasked_groups = ["dpo", "sre"]', 'unmasked_groups = ["sre"]', "", {"unmasked_groups": ("sre",)}),
        ("unmasked_groups = []", "", 'unmasked_groups = ["dpo"]', {"unmasked_groups": ()}),
        ('files = "pass"', 'files = "refuse"', 'files = "mask"', {"files": "refuse"}),
        ('on_error = "pass"', "", "", {"on_error": "pass"}),
    ],
)
def test_the_strictest_of_those_that_say_something_counts(
    target: str, one: str, other: str, expected: dict[str, object]
) -> None:
    roles = "".join(
        f'[roles.{name}]\ngroups = ["g"]\nmasking = {{ {said} }}\n' for name, said in (("one", one), ("other", other))
    )
    found = config(f"{BASE}[targets.t]\n{SSH}masking = {{ {target} }}\n{roles}")
    masking = in_force(found, found.targets["t"], ("one", "other"))
    assert {key: getattr(masking, key) for key in expected} == expected
