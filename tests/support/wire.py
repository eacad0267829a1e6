"""What really goes over the loopback interface: IP bytes by protocol and ports, as a data plan would count them."""

import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_ETH_P_ALL, _OUTGOING = 0x0003, 4
_ETHERNET = 14
_IPV6 = 40
TCP, UDP = 6, 17
Flow = tuple[int, int, int]  # protocol, source port, destination port


class Wire:
    def __init__(self) -> None:
        self.bytes: Counter[Flow] = Counter()
        self.packets: Counter[Flow] = Counter()

    def of(self, protocol: int, *, src: int = 0, dst: int = 0) -> tuple[int, int]:
        """(bytes, packets) seen so far with these ports; 0 is any."""
        flows = [f for f in self.bytes if f[0] == protocol and src in (0, f[1]) and dst in (0, f[2])]
        return sum(self.bytes[f] for f in flows), sum(self.packets[f] for f in flows)

    def both_ways(self, protocol: int, port: int) -> int:
        return self.of(protocol, src=port)[0] + self.of(protocol, dst=port)[0]

    def seen(self, frame: bytes) -> None:
        if len(frame) < _ETHERNET + 24:
            return
        if frame[_ETHERNET] >> 4 == 4:
            length, protocol = struct.unpack_from("!2xH5xB", frame, _ETHERNET)
            header = (frame[_ETHERNET] & 15) * 4
        else:
            length, protocol = struct.unpack_from("!4xHB", frame, _ETHERNET)
            header = _IPV6
            length += header
        if protocol not in (TCP, UDP):
            return
        ports = struct.unpack_from("!HH", frame, _ETHERNET + header)
        self.bytes[protocol, *ports] += length
        self.packets[protocol, *ports] += 1


@contextmanager
def watched_loopback() -> Iterator[Wire]:
    """Needs the right to open packet sockets (root)."""
    wire, done = Wire(), threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as tap:
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        tap.bind(("lo", 0))
        tap.settimeout(0.2)

        def read() -> None:
            while not done.is_set():
                try:
                    frame, address = tap.recvfrom(128)
                except TimeoutError:
                    continue
                if address[2] == _OUTGOING:
                    wire.seen(frame)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            yield wire
        finally:
            done.set()
            reader.join()
