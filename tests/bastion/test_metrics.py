"""Counters fed by audit events."""

from functools import partial

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from bastion.audit import Event, EventType
from bastion.metrics import Metrics, summed


@pytest.mark.parametrize("event_type", list(EventType))
def test_every_event_can_be_counted(event_type: EventType) -> None:
    Metrics().observe(Event(event_type))


def test_a_channels_end_counts_its_bytes_and_masked_values() -> None:
    metrics = Metrics()
    metrics.observe(
        Event(EventType.CHANNEL_CLOSE, data={"channel": "exec", "bytes_in": 3, "bytes_out": 5, "masked": {"email": 2}})
    )
    text = generate_latest(metrics.registry).decode()
    assert 'bastion_channels_total{channel="exec",event="close"} 1.0' in text
    assert 'bastion_channel_bytes_total{direction="out"} 5.0' in text
    assert 'bastion_masked_values_total{type="email"} 2.0' in text


def test_a_forwards_end_counts_its_bytes_by_kind() -> None:
    metrics = Metrics()
    metrics.observe(Event(EventType.FORWARD_OPEN, data={"kind": "agent"}))
    metrics.observe(Event(EventType.FORWARD_CLOSE, data={"kind": "agent", "bytes_in": 3, "bytes_out": 5}))
    text = generate_latest(metrics.registry).decode()
    assert 'bastion_forwards_total{event="open",kind="agent"} 1.0' in text
    assert 'bastion_forward_bytes_total{direction="in",kind="agent"} 3.0' in text
    assert 'bastion_forward_bytes_total{direction="out",kind="agent"} 5.0' in text


def test_series_begin_at_zero_with_labels_of_closed_lists_and_a_help_text() -> None:
    families = {family.name: family for family in text_string_to_metric_families(Metrics().text().decode())}
    assert all(family.documentation for family in families.values())
    for name, label, values in (
        ("command_verdicts", "action", {"allow", "approve", "deny"}),
        ("login_failures", "how", {"certificate", "login"}),
        ("channel_bytes", "direction", {"in", "out"}),
    ):
        samples = families[f"bastion_{name}"].samples
        assert {sample.labels[label]: sample.value for sample in samples} == dict.fromkeys(values, 0.0)
    assert families["process_open_fds"].samples[0].value > 0


def test_refused_logins_are_counted_by_how_the_caller_tried() -> None:
    metrics = Metrics()
    metrics.observe(Event(EventType.LOGIN_FAILED, data={"how": "certificate", "why": "made up"}))
    assert 'bastion_login_failures_total{how="certificate"} 1.0' in metrics.text().decode()


def test_live_sessions_are_asked_at_each_scrape() -> None:
    metrics, sessions = Metrics(), [1]
    metrics.live(sessions=lambda: len(sessions), connections=lambda: 0, tasks=lambda: 7)
    assert "bastion_tasks 7.0" in generate_latest(metrics.registry).decode()
    assert "bastion_sessions_live 1.0" in generate_latest(metrics.registry).decode()
    sessions.append(2)
    assert "bastion_sessions_live 2.0" in generate_latest(metrics.registry).decode()


def test_several_processes_are_summed() -> None:
    one, two = Metrics(), Metrics()
    for metrics, number in ((one, 2), (two, 3)):
        for _ in range(number):
            metrics.observe(Event(EventType.LOGIN))
        metrics.live(sessions=partial(int, number), connections=partial(int, number), tasks=partial(int, number))
        metrics.waiting.set(4)
        metrics.recorder_lag.set(number)
    two.observe(Event(EventType.FAILURE, data={"where": 'a "b"'}))
    text = summed([one.text().decode(), "", two.text().decode()]).decode()
    assert "bastion_logins_total 5.0" in text
    assert r'bastion_failures_total{where="a \"b\""} 1.0' in text
    assert "bastion_sessions_live 5.0" in text
    assert "bastion_approvals_waiting 4.0" in text, "all see the same ones"
    assert "bastion_recorder_lag_seconds 3.0" in text, "the slowest counts"
    assert "# TYPE bastion_logins_total counter" in text
    assert summed([text]).decode() == text
