"""TUN devices: interfaces whose packets this process reads and writes."""

from __future__ import annotations

import fcntl
import os
import struct

_TUNSETIFF = 0x400454CA
_IFF_TUN, _IFF_NO_PI = 0x0001, 0x1000
MTU_BYTES = 1500


def open_tun(name: str) -> int:
    """A new interface in this network namespace; it lasts as long as the returned file descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(device)
        raise
    return device


def read_packets(device: int, most: int = 64) -> list[bytes]:
    """What the interface has sent since; at most so many, so that delivery is not kept waiting."""
    packets = []
    for _ in range(most):
        try:
            packets.append(os.read(device, MTU_BYTES + 4))
        except BlockingIOError:
            break
    return packets
