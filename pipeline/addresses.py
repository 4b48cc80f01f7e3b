"""Which network addresses may be asked for somebody else: never those that only this machine or its networks reach."""

import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses behind a gateway (RFC 6052, section 2.1, read on 2026-11-21)."""


def is_public(address: Address) -> bool:
    """Whether an address is one of the open network: not of this machine, its networks, or a cloud's own services.

    An IPv4 address within an IPv6 one (mapped, 6to4, Teredo, NAT64) is looked at, too, since a gateway may lead there.
    """
    if isinstance(address, ipaddress.IPv6Address):
        within = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            within.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(each is not None and not is_public(each) for each in within):
            return False
    return address.is_global and not address.is_multicast
