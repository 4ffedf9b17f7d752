"""Where a sender may connect to: merchants name servers, and none of them may be inside the installation's network.

A name is resolved first and every address it has is looked at; the connection then goes to the address that was looked
at, so that a name cannot say another one in between. An adapter that connects by itself uses `resolve`.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

REFUSED: Final = "address_not_allowed"
"""The reason of a receipt, and the code of a fault, for a server that a merchant may not name."""

_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
_RELAYED: Final = IPv6Network("2002::/16")
"""6to4 (RFC 3056), which hides any IPv4 address."""
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
"""NAT64 (RFC 6052): how the public IPv4 internet is reached from a network without IPv4."""

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
"""As `getaddrinfo` gives it."""


class AddressRefusedError(OSError):
    """The server is at an address that whoever named it may not have us connect to."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The addresses that connections may go to; by default the public internet alone."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Networks that may be connected to besides."""
    is_everywhere: bool = False

    def check(self, address: str) -> None:
        """Raise AddressRefusedError where no connection may go to an IP address."""
        if self.is_everywhere:
            return
        found = _unwrapped(ip_address(address))
        if not _is_public(found) and not any(found in network for network in self.networks):
            raise AddressRefusedError("No connection may go to this address.")


EVERYWHERE: Final = Reach(is_everywhere=True)
"""For servers that the operator of the installation named."""


async def resolve(host: str, port: int, *, reach: Reach) -> Sequence[AddressInfo]:
    """Find the addresses of a host, each of them within reach.

    Raises AddressRefusedError where one is not, and what `getaddrinfo` raises: OSError, UnicodeError.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for *_, address in addresses:
        reach.check(str(address[0]))
    return addresses


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Give the IPv4 address that a connection to an IPv6 address would end at, where there is one."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _TRANSLATED:
        return IPv4Address(address.packed[-4:])
    return address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    """Say whether anybody on the internet could connect to it: not loopback, private, link-local, a group, reserved."""
    if isinstance(address, IPv6Address):
        return address in _GLOBAL_UNICAST and address not in _RELAYED and address.is_global
    return address.is_global and not address.is_multicast and not address.is_reserved
