"""``ip``: other addresses, so that networks stay networks.

Two addresses that share their first n bits share the first n bits of their masks and no more (the property that
Crypto-PAn defined), so subnets can still be told apart and joined. Each byte is flipped under a keyed digest of the
bytes before it. A netmask stays; an address without host bits, as in every ``cidr``, stays one. IPv4 and IPv6 are
permuted apart; spellings of one address become one.

It takes text, PostgreSQL's ``inet`` and ``cidr``, MariaDB's ``inet4`` and ``inet6``, and the 4 or 16 bytes of
``INET6_ATON``. A text that is no address becomes one of 2001:db8::/32, which stands for examples only (RFC 3849). A
mask that is longer than its column shows as ``::``; unique columns have to hold the longest.
"""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache

from hfitd.masks.derive import Draw, keyed_draw
from hfitd.masks.fitting import need_kind, refuse
from hfitd.masks.interface import Binding, BoundMask, Mask
from hfitd.model import Column, Kind, MaskRule

_ADDRESS_TYPES = frozenset(("inet", "cidr", "inet4", "inet6"))
_SHORTEST, _LONGEST = 15, 43  # 255.255.255.255; eight groups of IPv6 and /128
_KEPT_PREFIXES = 4096
_EXAMPLES = bytes.fromhex("20010db8")
_V4, _V6 = 4, 16


class _Prefixes:
    """The permutation of addresses: one digest for each byte, whose bits are the flips of a tree of eight levels."""

    def __init__(self, draw: Draw) -> None:
        @lru_cache(_KEPT_PREFIXES)
        def flips(prefix: bytes) -> int:
            return int.from_bytes(draw(prefix), "big")

        self._flips = flips

    def _byte(self, prefix: bytes, byte: int) -> int:
        flips, node, masked = self._flips(prefix), 1, 0
        for shift in range(7, -1, -1):
            bit = byte >> shift & 1
            masked = masked << 1 | (bit ^ flips >> node & 1)
            node = node << 1 | bit
        return masked

    def whole(self, address: bytes) -> bytes:
        """Every byte under the bytes before it."""
        start = b"%d\0" % len(address)
        return bytes(self._byte(start + address[:place], byte) for place, byte in enumerate(address))

    def masked(self, address: bytes, bits: int) -> bytes:
        """The address with a netmask of so many bits: without host bits before, without them afterwards."""
        size = 8 * len(address)
        hosts = (1 << size - bits) - 1
        number = int.from_bytes(self.whole(address), "big")
        if not int.from_bytes(address, "big") & hosts:
            return (number & ~hosts).to_bytes(len(address), "big")
        if not number & hosts:  # the place is taken by the network itself, which gave its own place up
            network = int.from_bytes(address, "big") & ~hosts
            number = int.from_bytes(self.whole(network.to_bytes(len(address), "big")), "big")
        return number.to_bytes(len(address), "big")


def _bind(rule: MaskRule, column: Column, binding: Binding) -> BoundMask:
    is_address = column.type_name.lower() in _ADDRESS_TYPES
    if not is_address:
        need_kind(rule.mask, column, (Kind.TEXT, Kind.BYTES))
    prefixes = _Prefixes(keyed_draw(binding.key, b"ip\0"))
    strange = keyed_draw(binding.key, b"no address\0", _V6 - len(_EXAMPLES))
    if column.kind is Kind.BYTES:
        return BoundMask(rule.mask, cell=lambda value: _masked_bytes(prefixes, strange, value))
    longest = None if is_address else column.max_length
    if longest is not None and longest < (_LONGEST if binding.unique else _SHORTEST):
        why = f"it makes up to {_LONGEST if binding.unique else _SHORTEST} characters, the column holds {longest}"
        raise refuse(rule.mask, column, why)

    def cell(value: bytes) -> bytes:
        text = value.strip()
        masked = _masked_text(prefixes, text)
        if masked is None:
            masked = _spelled(_EXAMPLES + strange(text)) if text else ""
        return b"::" if longest is not None and len(masked) > longest else masked.encode("ascii", "replace")

    return BoundMask(rule.mask, cell=cell)


def _masked_text(prefixes: _Prefixes, text: bytes) -> str | None:
    spelled, slash, bits = text.decode("utf-8", "replace").partition("/")
    try:
        address = ipaddress.ip_address(spelled)
        size = int(bits) if slash and bits.isascii() and bits.isdigit() else address.max_prefixlen
    except ValueError:
        return None
    scoped = isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None
    if scoped or not 0 <= size <= address.max_prefixlen or (slash and str(size) != bits):
        return None
    masked = prefixes.masked(address.packed, size)
    return _spelled(masked) + slash + bits


def _spelled(address: bytes) -> str:
    """As the servers spell it; what ``ipaddress`` does depends on the version of Python."""
    return socket.inet_ntop(socket.AF_INET if len(address) == _V4 else socket.AF_INET6, address)


def _masked_bytes(prefixes: _Prefixes, strange: Draw, value: bytes) -> bytes:
    if len(value) in {_V4, _V6}:
        return prefixes.whole(value)
    return (_EXAMPLES + strange(value))[: len(value)]


IP = Mask(
    "ip",
    _bind,
    "another address; addresses of one network stay in one network, netmasks stay",
    keyed=True,
    injective=True,
)
