"""What is let go of, on a real connection: it is gone, and nobody misses it."""

import asyncio

from bastion.thrift import Ended
from tests.bastion.test_bulk import _peer
from tests.bastion.test_packets import _echoed


async def test_nothing_of_a_key_exchange_is_kept() -> None:
    """That the next one works is tested with the packets (`test_packets.py`)."""
    _, (connection,) = await _echoed(b"x")
    assert connection._client_kexinit == connection._server_kexinit == b""


async def test_the_end_of_connections_and_channels_is_noticed() -> None:
    async with _peer() as peer:
        async with peer.client.create_process("echo", encoding=None):
            (server,) = peer.made
            (channel,) = server._channels.values()
            assert not server.is_closed()
            waiting = [asyncio.create_task(each.wait_closed()) for each in (channel, server)]
            await asyncio.sleep(0)
        peer.client.close()
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        assert server.is_closed()


async def test_waiting_for_what_is_over_does_not_wait() -> None:
    ended = Ended()
    assert not ended.is_set()
    ended.set()
    assert ended.is_set()
    assert await asyncio.wait_for(ended.wait(), 1)
