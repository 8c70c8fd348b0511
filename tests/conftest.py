"""What holds for all tests: the order they run in, how hypothesis works, and that nothing may be skipped.

A skipped or expected-to-fail test is a failure here, always: a test that doesn't run proves nothing. With `CI=true`
deselected tests count as well. Cheap tests run first, so that a mistake shows early.
"""

import os
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import HealthCheck, settings

settings.register_profile("fast", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", max_examples=5000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

ROOT = Path(__file__).parent
LAST = ("e2e", "demo", "bench")  # folders of slow tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the shape test first and the black-box tests last; otherwise keep the order of files."""

    def rank(item: pytest.Item) -> int:
        top = item.path.relative_to(ROOT).parts[0]
        return 0 if top == "test_shape.py" else 2 if top in LAST else 1

    items.sort(key=rank)


def _not_run(reporter: TerminalReporter) -> list[str]:
    """Return one line for each outcome that hides a test."""
    outcomes = ["skipped", "xfailed", "xpassed"]
    if os.environ.get("CI") == "true":
        outcomes.append("deselected")
    return [f"{len(found)} {outcome}" for outcome in outcomes if (found := reporter.stats.get(outcome))]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that would pass although tests did not run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if isinstance(reporter, TerminalReporter) and _not_run(reporter) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say why a run failed that looks green."""
    if found := _not_run(terminalreporter):
        terminalreporter.write_line(f"failed: {', '.join(found)}; a test that does not run proves nothing", red=True)
