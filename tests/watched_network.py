"""Run a command in a network namespace of its own where every packet that is meant to leave the machine is recorded.

    unshare --net python tests/watched_network.py REPORT COMMAND ...

All addresses lead to the loopback device there, so that nothing leaves and every attempt can be read from it. REPORT
gets one line per attempt: the name that was looked up, or the address and port. Ends with the exit code of COMMAND.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

EVERYTHING = 0x0003
"""ETH_P_ALL of linux/if_ether.h."""
IPV4, IPV6 = 0x0800, 0x86DD
TCP, UDP = 6, 17
DNS = 53


def attempt(frame: bytes) -> str | None:
    """What a frame of the loopback device was meant for outside of it; None for traffic of this machine with itself."""
    kind, packet = struct.unpack("!H", frame[12:14])[0], frame[14:]
    if kind == IPV4:
        start, protocol, target = (packet[0] & 15) * 4, packet[9], ipaddress.ip_address(packet[16:20])
    elif kind == IPV6:
        start, protocol, target = 40, packet[6], ipaddress.ip_address(packet[24:40])
    else:
        return None
    if protocol not in (TCP, UDP):
        return None  # the answers of this kernel to the others
    sender, port = struct.unpack("!HH", packet[start : start + 4])
    if port == DNS and protocol == UDP:
        return f"looked up {_name(packet[start + 8 + 12 :])}"
    flags = packet[start + 13] if protocol == TCP else 0
    is_answer = protocol == TCP and (flags & 4 or flags & 18 == 18)
    return None if target.is_loopback or is_answer or sender == DNS else f"sent to {target} port {port}"


def _name(question: bytes) -> str:
    labels, at = [], 0
    while at < len(question) and question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode("latin-1"))
        at += 1 + question[at]
    return ".".join(labels)


def main(report: Path, command: list[str]) -> int:
    """Run `command` and write the attempts to `report`."""
    for line in (
        "link set lo up",
        "route add local default dev lo",
        "-6 route add local default dev lo",
    ):
        subprocess.run(["ip", *line.split()], check=not line.startswith("-6"))  # IPv6 may be off
    seen: list[str] = []
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERYTHING)) as tap:
        tap.bind(("lo", 0))
        tap.settimeout(0.2)
        over = threading.Event()

        def listen() -> None:
            while True:
                try:
                    found = attempt(tap.recv(65536))
                except TimeoutError:
                    if over.is_set():
                        return
                    continue
                if found and found not in seen:
                    seen.append(found)

        listener = threading.Thread(target=listen)
        listener.start()
        code = subprocess.run(command, check=False).returncode
        over.set()
        listener.join()
    report.write_text("".join(f"{line}\n" for line in seen))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
