"""Layout rules of the source, checked by reading it: lengths, docstrings, empty packages, never an unchecked host key.

Import rules live in pyproject.toml (import-linter), docstrings of public names in ruff's D rules.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PRODUCT = ("bastion", "recorder", "cli")
FILE_LINES = 400
FUNCTION_LINES = 50


def sources(*tops: str) -> list[Path]:
    """Return all Python files below the folders, relative to the repository, in order."""
    return sorted(path.relative_to(ROOT) for top in tops for path in (ROOT / top).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    """Parse one file."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method, nested ones too."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_check() -> None:
    assert len(sources(*PRODUCT)) > 20


@pytest.mark.parametrize("path", sources(*PRODUCT, "tests"), ids=str)
def test_lengths(path: Path) -> None:
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES, f"{path} has {lines} lines; split it by what changes together"
    long = {
        f"{path}:{function.lineno} {function.name}": size
        for function in functions(tree(path))
        if (size := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    }
    assert not long


@pytest.mark.parametrize("path", sources(*PRODUCT), ids=str)
def test_modules_say_what_they_are_for(path: Path) -> None:
    if path.name == "__init__.py":
        assert (ROOT / path).stat().st_size == 0, f"{path} must stay empty"
    else:
        assert ast.get_docstring(tree(path)), f"{path} does not open with what it is for"


@pytest.mark.parametrize("path", sources(*PRODUCT), ids=str)
def test_host_keys_are_always_checked(path: Path) -> None:
    """`known_hosts=None` turns the check off in asyncssh."""
    off = [
        node.value.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.keyword)
        and node.arg == "known_hosts"
        and isinstance(node.value, ast.Constant)
        and node.value.value is None
    ]
    assert not off


def test_each_protocol_has_a_test() -> None:
    tests = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    names = [path.stem for path in sources("bastion/protocols") if path.name not in {"__init__.py", "base.py"}]
    assert not [name for name in names if not any(test.startswith(f"test_{name}") for test in tests)]
