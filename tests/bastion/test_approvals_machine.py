"""The life of approvals against a model of it, over two bastions on one store, whatever people do in whatever order.

After every step the store must hold what the model holds, and the journal alone must tell the same story.
"""

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from bastion.approvals import digest
from bastion.audit import verify
from bastion.errors import AccessDenied, BastionError
from bastion.model import Identity
from bastion.store.base import ApprovalState, Store
from bastion.store.memory import MemoryStore
from bastion.store.opening import open_store
from tests.bastion.desk import Clock, desk, person

PEOPLE = [person("ann", "sre"), person("ben", "sre", "dba"), person("cat", "dba"), person("Ann", "dba", issuer="other")]
COMMANDS = [b"", b"a", b"b"]
TERMS = [(("sre",), 1), (("dba", "sre"), 2)]

people = st.sampled_from(PEOPLE)
nodes = st.integers(0, 1)


@dataclass
class Asked:
    """What the model knows of one request."""

    requester: Identity
    command: bytes
    terms: tuple[tuple[str, ...], int]
    created: datetime
    expires: datetime
    state: ApprovalState = ApprovalState.PENDING
    agreed: list[Identity] = field(default_factory=list)

    def live(self) -> bool:
        """Return whether it stands in the way of another of the same digest."""
        return self.state in (ApprovalState.PENDING, ApprovalState.APPROVED)


class Life(RuleBasedStateMachine):
    """The machine; `open_pair` says which store is tried."""

    asked = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.clock = Clock()
        self.model: dict[str, Asked] = {}
        self.runs: list[str] = []

    def stores(self) -> tuple[Store, Store]:
        """Open the same store twice."""
        store = MemoryStore()
        return store, store

    @initialize()
    def open_desks(self) -> None:
        self.desks = [self.runner.run(self.stack.enter_async_context(desk(s, self.clock))) for s in self.stores()]

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def lapse(self) -> None:
        """Let the model's time end what is over, as every submit and sweep does."""
        for row in self.model.values():
            if row.live() and row.expires <= self.clock.now:
                row.state = ApprovalState.EXPIRED

    @rule(target=asked, node=nodes, who=people, command=st.sampled_from(COMMANDS), terms=st.sampled_from(TERMS))
    def ask(self, node: int, who: Identity, command: bytes, terms: tuple[tuple[str, ...], int]) -> object:
        row = self.runner.run(self.desks[node].ask(command, who, approvers=terms[0], approvals=terms[1], timeout=100))
        self.lapse()
        before = [i for i, a in self.model.items() if a.live() and (a.requester, a.command) == (who, command)]
        if before and self.model[before[0]].terms == terms:
            assert row.id == before[0]
            assert row.state is self.model[row.id].state
            return multiple()
        for old in before:
            self.model[old].state = ApprovalState.EXPIRED
        assert row.id not in self.model
        self.model[row.id] = Asked(who, command, terms, self.clock.now, self.clock.now + timedelta(seconds=100))
        return row.id

    @rule(node=nodes, approval=asked, who=people, yes=st.booleans(), lifetime=st.sampled_from([None, 1, 1000]))
    def decide(self, node: int, approval: str, who: Identity, yes: bool, lifetime: int | None) -> None:
        row = self.model[approval]
        error: BastionError | None = None
        try:
            self.runner.run(
                self.desks[node].approvals.decide(
                    who,
                    approval,
                    approve=yes,
                    reason="r",
                    lifetime=None if lifetime is None else timedelta(seconds=lifetime),
                    may_approve=True,
                )
            )
        except BastionError as caught:
            error = caught
        if who.name.casefold() == row.requester.name.casefold() or not set(who.groups) & set(row.terms[0]):
            assert isinstance(error, AccessDenied)
            return
        spoke = any(who.name.casefold() == other.name.casefold() for other in row.agreed)
        if row.state is not ApprovalState.PENDING or row.expires <= self.clock.now or spoke:
            assert type(error) is BastionError
            return
        assert error is None
        row.agreed.append(who)
        if not yes:
            row.state = ApprovalState.DENIED
        elif len(row.agreed) == row.terms[1]:
            row.state = ApprovalState.APPROVED
            given = row.expires - row.created if lifetime is None else timedelta(seconds=lifetime)
            row.expires = self.clock.now + given

    @rule(node=nodes, who=people, command=st.sampled_from(COMMANDS))
    def use(self, node: int, who: Identity, command: bytes) -> None:
        bound = digest(who.issuer, who.subject, "web-1", "deploy", "exec", command)
        row = self.runner.run(self.desks[node].approvals.use(bound))
        usable = [
            i
            for i, a in self.model.items()
            if (a.requester, a.command) == (who, command)
            and a.state is ApprovalState.APPROVED
            and a.expires > self.clock.now
        ]
        assert ([] if row is None else [row.id]) == usable
        for approval in usable:
            self.model[approval].state = ApprovalState.USED
            self.runs.append(approval)

    @rule(node=nodes, approval=asked, who=people)
    def withdraw(self, node: int, approval: str, who: Identity) -> None:
        row = self.model[approval]
        try:
            done = self.runner.run(self.desks[node].approvals.withdraw(approval, who))
        except BastionError:
            assert who != row.requester
            return
        assert who == row.requester
        assert done == (row.state is ApprovalState.PENDING and row.expires > self.clock.now)
        if done:
            row.state = ApprovalState.WITHDRAWN

    @rule(seconds=st.sampled_from([1, 50, 99, 100]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(node=nodes)
    def sweep(self, node: int) -> None:
        over = {i for i, a in self.model.items() if a.live() and a.expires <= self.clock.now}
        assert {row.id for row in self.runner.run(self.desks[node].approvals.sweep())} == over
        self.lapse()

    @rule(approval=consumes(asked))
    def forget(self, approval: str) -> None:
        """Talk of other requests from now on."""
        assert approval in self.model

    @invariant()
    def the_store_holds_the_model(self) -> None:
        for opened in getattr(self, "desks", []):
            rows = {row.id: row for row in opened.thread.store.approvals.list(limit=10_000)}
            assert {i: row.state for i, row in rows.items()} == {i: a.state for i, a in self.model.items()}
            assert {i: row.expires for i, row in rows.items()} == {i: a.expires for i, a in self.model.items()}

    @invariant()
    def the_journal_tells_the_same(self) -> None:
        if not hasattr(self, "desks"):
            return
        states: dict[str, str] = {}
        used: list[str] = []
        journal = self.desks[0].thread.store.journal
        entries = journal.list(limit=10_000)
        for entry in entries:
            kind = entry.type.removeprefix("approval.")
            told = {"requested": "pending", "decided": entry.data.get("state", "")}.get(kind, kind)
            states[entry.data["approval"]] = told
            if kind == "used":
                used.append(entry.data["approval"])
        assert states == {i: str(a.state) for i, a in self.model.items()}
        assert used == self.runs
        assert len(set(used)) == len(used)
        assert verify(entries, head=journal.head()).ok


class SQLiteLife(Life):
    """The same over two connections to one file."""

    def stores(self) -> tuple[Store, Store]:
        folder = tempfile.mkdtemp()
        self.stack.callback(shutil.rmtree, folder)
        url = f"sqlite:///{folder}/b.db"
        return open_store(url), open_store(url)


TestMemory = Life.TestCase
TestSQLite = SQLiteLife.TestCase
TestSQLite.settings = settings(max_examples=settings().max_examples // 4)  # a file is slower
