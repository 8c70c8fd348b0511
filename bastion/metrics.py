"""Counters for Prometheus, fed by the audit events: what is journalled is counted, nothing else needs instrumenting.

Labels come from closed lists, never from what users typed, and each series is there from the start, at zero, so that
the first event of a kind shows as an increase. Not here: the endpoint that serves them (`bastion.health`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from bastion.audit import Event, EventType
from bastion.model import FORWARDS, Action, ChannelKind

WAITING = "bastion_approvals_waiting"
RECORDER_LAG = "bastion_recorder_lag_seconds"
ALIKE = frozenset({WAITING, RECORDER_LAG, "process_start_time_seconds"})
"""What several processes see of one and the same thing: the greatest counts, not the sum."""

HOW = ("certificate", "login")  # a caller failed to prove who they are
_SESSIONS = (ChannelKind.SHELL, ChannelKind.EXEC, ChannelKind.SFTP, ChannelKind.SUBSYSTEM)
_FORWARDED = sorted({*FORWARDS, ChannelKind.AGENT, ChannelKind.X11})

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more line for each counter, of no use to anybody


class Metrics:
    """The counters of one process. `observe` may be called from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._connections = self._counter("connections", "Client connections whose identity was proven", "event")
        self._channels = self._counter("channels", "Channels to targets", "channel", "event")
        self._bytes = self._counter("channel_bytes", "Bytes relayed by channels that ended", "direction")
        self._forwards = self._counter("forwards", "Connections forwarded inside ssh sessions", "kind", "event")
        self._forwarded = self._counter("forward_bytes", "Bytes of forwards that ended", "kind", "direction")
        self._verdicts = self._counter("command_verdicts", "What the rules said of commands", "action")
        self._approvals = self._counter("approvals", "What happened to approvals", "event")
        self._logins = self._counter("logins", "Logins with an identity provider that succeeded")
        self._login_failures = self._counter("login_failures", "Certificates and logins that were refused", "how")
        self._refused = self._counter("access_denied", "Channels and targets refused to known callers")
        self._masked = self._counter("masked_values", "Values masked before the caller saw them", "type")
        self._failures = self._counter("failures", "What failed closed", "where")
        self.waiting = Gauge(WAITING, "Approvals nobody decided yet", registry=self.registry)
        self.recorder_lag = Gauge(
            RECORDER_LAG, "Seconds a write to the folder of recordings took, at the last look", registry=self.registry
        )
        self._begin()
        ProcessCollector(registry=self.registry)

    def _begin(self) -> None:
        """Have each series begin at zero."""
        for event in ("open", "close"):
            self._connections.labels(event)
            for kind in _SESSIONS:
                self._channels.labels(str(kind), event)
        for direction in ("in", "out"):
            self._bytes.labels(direction)
            for kind in _FORWARDED:
                self._forwarded.labels(str(kind), direction)
        for kind in _FORWARDED:
            for event in ("open", "close", "denied", "listen", "cancel"):
                self._forwards.labels(str(kind), event)
        for action in Action:
            self._verdicts.labels(str(action))
        for event_type in EventType:
            if event_type.startswith("approval."):
                self._approvals.labels(event_type.rpartition(".")[2])
        for how in HOW:
            self._login_failures.labels(how)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"bastion_{name}", text, labels, registry=self.registry)

    def live(self, *, sessions: Callable[[], int], connections: Callable[[], int], tasks: Callable[[], int]) -> None:
        """Have what there is now counted at each scrape, on the scraper's thread."""
        for name, text, count in (
            ("sessions_live", "Channels to targets and forwards open now", sessions),
            ("connections_live", "Client connections open now whose identity was proven", connections),
            ("tasks", "Tasks of the event loop: each connection and channel has some while it lives", tasks),
        ):
            Gauge(f"bastion_{name}", text, registry=self.registry).set_function(count)

    def text(self) -> bytes:
        """Return everything counted, as Prometheus reads it."""
        return generate_latest(self.registry)

    def observe(self, event: Event) -> None:
        """Count one event that was journalled."""
        data = event.data
        match event.type:
            case EventType.CONNECTION_OPEN | EventType.CONNECTION_CLOSE:
                self._connections.labels(event.type.rpartition(".")[2]).inc()
            case EventType.CHANNEL_OPEN | EventType.CHANNEL_CLOSE:
                self._channels.labels(str(data.get("channel", "")), event.type.rpartition(".")[2]).inc()
                self._bytes.labels("in").inc(data.get("bytes_in", 0))
                self._bytes.labels("out").inc(data.get("bytes_out", 0))
                for kind, number in data.get("masked", {}).items():
                    self._masked.labels(kind).inc(number)
            case _ if event.type.startswith("forward."):
                kind = str(data.get("kind", ""))
                self._forwards.labels(kind, event.type.rpartition(".")[2]).inc()
                self._forwarded.labels(kind, "in").inc(data.get("bytes_in", 0))
                self._forwarded.labels(kind, "out").inc(data.get("bytes_out", 0))
            case EventType.COMMAND_VERDICT:
                self._verdicts.labels(str(data.get("action", ""))).inc()
            case EventType.LOGIN:
                self._logins.inc()
            case EventType.LOGIN_FAILED:
                self._login_failures.labels(str(data.get("how", ""))).inc()
            case EventType.ACCESS_DENIED:
                self._refused.inc()
            case EventType.FAILURE:
                self._failures.labels(str(data.get("where", ""))).inc()
            case _ if event.type.startswith("approval."):
                self._approvals.labels(event.type.rpartition(".")[2]).inc()
            case _:
                return


class _Sum:
    """What several processes counted, as one; looks like a registry."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._families: dict[str, Metric] = {}
        self._values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for text in texts:
            for family in text_string_to_metric_families(text):
                self._add(family)

    def _add(self, family: Metric) -> None:
        self._families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        values = self._values.setdefault(family.name, {})
        for sample in family.samples:
            key = (sample.name, tuple(sample.labels.items()))
            before = values.get(key, 0.0)
            values[key] = max(before, sample.value) if family.name in ALIKE else before + sample.value

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        for name, family in self._families.items():
            for (sample, labels), value in self._values[name].items():
                family.add_sample(sample, dict(labels), value)
            yield family


def summed(texts: Sequence[str]) -> bytes:
    """Return the sum of what several processes counted, each given as `Metrics.text` says it."""
    registry: Any = _Sum(texts)
    return generate_latest(registry)
