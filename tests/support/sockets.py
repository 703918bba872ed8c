"""The sockets on which processes wait for others, read from /proc (Linux)."""

import contextlib
import ipaddress
import socket
import struct
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from infra.local import processes
from infra.steps.layout import Layout

PROC = Path("/proc")
# States of proc(5) in which a socket takes what strangers send: LISTEN of TCP, unconnected of UDP.
_OPEN = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
_ORDER = "<" if sys.byteorder == "little" else ">"


class Listening(NamedTuple):
    """A socket that takes connections or datagrams."""

    protocol: str
    host: str
    port: int

    def on_loopback(self) -> bool:
        """Return whether only this machine reaches it."""
        address = ipaddress.ip_address(self.host)
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (mapped or address).is_loopback


def processes_of(layout: Layout, names: Iterable[str]) -> set[int]:
    """Return the processes of a stack's services: those on record, with their marker, and all children."""
    found: set[int] = set()
    for name in names:
        record = processes.running(layout, name)
        found |= {record.pid} if record else set()
        found |= set(processes.marked(processes.marker(layout, name)))
    parents = dict(_parents())
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def listening(pids: Iterable[int]) -> set[Listening]:
    """Return the sockets on which these processes wait for others."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    found = {it for protocol in _OPEN for it, inode in _table(protocol) if inode in inodes}
    return {it for it in found if not _is_client(it)}


def _is_client(it: Listening) -> bool:
    """Return whether it is a UDP socket whose port the kernel chose, for a sender that bound none."""
    low, high = map(int, (PROC / "sys/net/ipv4/ip_local_port_range").read_text().split())
    return it.protocol.startswith("udp") and low <= it.port <= high


def _parents() -> Iterator[tuple[int, int]]:
    for folder in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            yield int(folder.name), int(fields[1])


def _sockets(pid: int) -> Iterator[str]:
    for link in (PROC / str(pid) / "fd").glob("*"):
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith("socket:["):
                yield target.removeprefix("socket:[").removesuffix("]")


def _table(protocol: str) -> Iterator[tuple[Listening, str]]:
    try:
        lines = (PROC / "net" / protocol).read_text().splitlines()[1:]
    except FileNotFoundError:  # a kernel without IPv6
        return
    for fields in map(str.split, lines):
        if fields[3] == _OPEN[protocol]:
            host, _, port = fields[1].partition(":")
            yield Listening(protocol, _address(host), int(port, 16)), fields[9]


def _address(text: str) -> str:
    """Return an address of /proc/net: words of 32 bits in hexadecimal, each in the machine's byte order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = b"".join(struct.pack(f"{_ORDER}I", word) for word in words)
    return socket.inet_ntop(socket.AF_INET if len(words) == 1 else socket.AF_INET6, packed)
