"""Which addresses our calls may go to: an address that a brand names must not lead into our own network."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx

from backend.partners.errors import PartnerAddressError

_NAT64: Final = IPv6Network("64:ff9b::/96")
_PUBLIC_V6: Final = IPv6Network("2000::/3")
_UNIQUE_LOCAL_V6: Final = IPv6Network("fc00::/7")
_LONGEST_URL: Final = 500
_MOST_ADDRESSES: Final = 3
Ip = IPv4Address | IPv6Address


def check_base_url(text: str, *, private: bool) -> str:
    """The base URL without a slash at its end. `private`: loopback and private addresses may be called as well.

    Raises PartnerAddressError. What its name resolves to is checked at each call.
    """
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise PartnerAddressError("`base_url` is not a URL.") from error
    if len(text) > _LONGEST_URL or not text.isascii() or not text.isprintable():
        raise PartnerAddressError(f"`base_url` is at most {_LONGEST_URL} printable ASCII characters.")
    if not url.host or url.userinfo or url.query or url.fragment or "?" in text or "#" in text:
        raise PartnerAddressError("`base_url` names a host and a path; no user, query or fragment.")
    if url.port is not None and not 0 < url.port < 65_536:
        raise PartnerAddressError("`base_url` names a port that does not exist.")
    literal = _literal(url.host)
    is_loopback = url.host == "localhost" or (literal is not None and literal.is_loopback)
    if url.scheme != "https" and not (private and url.scheme == "http" and is_loopback):
        raise PartnerAddressError("`base_url` must begin with https://.")
    if literal is not None:
        check_address(literal, private=private)
    return str(url).rstrip("/")


async def resolve(host: str, port: int, *, private: bool) -> list[str]:
    """Addresses of `host` to connect to, at most three. Raises PartnerAddressError when one may not be called.

    Connecting to these, rather than to the name, leaves no moment in which the name could change its meaning.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise PartnerAddressError(f"{host} has no address.") from error
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        check_address(address, private=private)
    return list(dict.fromkeys(str(address) for address in addresses))[:_MOST_ADDRESSES]


def check_address(address: Ip, *, private: bool) -> None:
    """Raises PartnerAddressError unless the address may be called."""
    inner = _inner(address)
    never = inner.is_link_local or inner.is_multicast or inner.is_unspecified
    never = never or (isinstance(inner, IPv6Address) and not _is_known(inner))
    if never or not (inner.is_global or (private and (inner.is_loopback or inner.is_private) and not _odd(inner))):
        raise PartnerAddressError(f"{address} is not an address on the public internet.")


def _odd(address: Ip) -> bool:
    return address.is_reserved and not address.is_loopback


def _is_known(address: IPv6Address) -> bool:
    """Whether we know where the address leads: some old and local prefixes stand for an IPv4 address in the middle."""
    return address.is_loopback or address in _PUBLIC_V6 or address in _UNIQUE_LOCAL_V6


def _literal(host: str) -> Ip | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _inner(address: Ip) -> Ip:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address
