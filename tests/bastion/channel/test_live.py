"""What is live: kill reaches the channel and what goes along with it, and nothing else."""

from bastion.channel.live import Live


class Channel:
    """Keeps who ended it."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def tell(self, text: str) -> None:
        """Show nothing."""

    def kill(self, *, by: str, reason: str) -> None:
        self.ended.append(f"{by} {reason}")


async def test_kill_cuts_what_goes_along_with_the_channel_and_nothing_else() -> None:
    live, one, other = Live(), Channel(), Channel()
    cut: list[str] = []
    live.add("1", one)
    live.add("2", other)
    live.along("1", cut.append)
    live.along("2", lambda why: cut.append(f"wrongly {why}"))
    assert await live.kill("1", by="bob", reason="enough")
    assert (one.ended, other.ended, cut) == (["bob enough"], [], ["ended by bob: enough"])


async def test_a_channel_that_ended_takes_nothing_along_any_more() -> None:
    live, cut = Live(), list[str]()
    live.add("1", Channel())
    live.along("1", cut.append)
    live.remove("1")
    assert not await live.kill("1", by="bob", reason="late")
    assert (cut, live.ids()) == ([], frozenset())
