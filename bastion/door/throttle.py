"""How fast one address may come to the door: a plain object, told the time (seconds of any steady clock).

Each address has credit. A connection takes one, time brings them back, and so does a proven login: who knows how to
log in is only held to so many logins *at once*, however many there are in all (build jobs behind one NAT address),
while who does not is held to a rate, which bounds the key exchanges that can be asked for without ever logging in
(CVE-2002-20001). A login that fails takes several more, so that trying again and again becomes slow, but never closes
the door to the neighbours behind the same address. No address is exempt, loopback neither.

A limit, on purpose: each process counts for itself; where several share the port, each gives out its share.
"""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

BURST = 12.0  # connections at once
RATE = 10.0  # connections a second
FAILURE_COST = 5.0  # what a failed login takes beside its connection
MOST_DEBT = 50.0  # so that no address waits longer than five seconds for one connection
MAX_ADDRESSES = 16 * 1024  # kept in memory; the one not seen for longest is forgotten


@dataclass(slots=True)
class _Account:
    credit: float
    time: float


class Throttle:
    """Keeps the credit of addresses. `share` is among how many processes it is divided."""

    def __init__(self, share: int = 1) -> None:
        self._burst = max(BURST / share, 1.0)
        self._rate = RATE / share
        self._accounts: OrderedDict[str, _Account] = OrderedDict()

    def take(self, address: str, now: float) -> float:
        """Take one credit and return 0.0; where there is none, take nothing and return the seconds until there is."""
        account = self._account(address, now)
        if account.credit < 1.0:
            return (1.0 - account.credit) / self._rate
        account.credit -= 1.0
        return 0.0

    def give_back(self, address: str, now: float) -> None:
        """Give back what a connection took: it is proven."""
        account = self._account(address, now)
        account.credit = min(account.credit + 1.0, self._burst)

    def penalise(self, address: str, now: float) -> None:
        """Take what a failed login costs."""
        account = self._account(address, now)
        account.credit = max(account.credit - FAILURE_COST, -MOST_DEBT * self._rate / RATE)

    def _account(self, address: str, now: float) -> _Account:
        """Return an address's account as it is now."""
        key = source(address)
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account(self._burst, now)
            if len(self._accounts) > MAX_ADDRESSES:
                self._accounts.popitem(last=False)
        else:
            self._accounts.move_to_end(key)
            account.credit = min(account.credit + max(now - account.time, 0.0) * self._rate, self._burst)
            account.time = now
        return account


def source(address: str) -> str:
    """Return what is counted as one caller: an IPv4 address, or the /64 that one IPv6 customer has."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # a socket without addresses, as in tests
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
