"""QEMU: the command line of a machine, and QMP, by which it is driven."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .common import LAB
from .imds import MAC

# "ec2" first in uuid and serial: that is how cloud-init knows EC2.
_UUID = "ec2e1916-9099-7caf-fd21-012345abcdef"


def accelerator() -> str:
    """`kvm` only where the processor does it.

    /dev/kvm may also be a software one (kvm_pvm) that cannot boot a stock kernel. LAB_ACCEL overrides.
    """
    if forced := os.environ.get("LAB_ACCEL"):
        return forced
    hardware = any(Path(f"/sys/module/kvm_{vendor}").is_dir() for vendor in ("intel", "amd"))
    return "kvm" if hardware and os.access("/dev/kvm", os.R_OK | os.W_OK) else "tcg"


def command(directory: Path, root: Path, private_address: str, append: str = "") -> list[str]:
    """A machine with its sockets in `directory`. A saved one and its copies must agree in all but names."""
    kvm = accelerator() == "kvm"
    # The network spans 160.0.0.0/4 so that it holds both 172.31/16 and 169.254.169.254; restrict=on: nothing
    # leaves the guest but what is listed. 169.254.169.250 is the API, for calls from inside.
    network = (
        f"user,id=n0,net=160.0.0.0/4,host=172.31.0.1,dns=172.31.0.2,dhcpstart={private_address},restrict=on,"
        f"guestfwd=tcp:169.254.169.254:80-cmd:nc -U {directory}/imds.sock,"
        f"guestfwd=tcp:169.254.169.250:80-cmd:nc 127.0.0.1 {LAB.port}"
    )
    kernel = "root=LABEL=cloudimg-rootfs rw console=ttyS0 net.ifnames=0 panic=-1 quiet"
    smbios = f"type=1,manufacturer=Amazon EC2,product=t3.micro,serial={_UUID},uuid={_UUID}"
    words = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none"]
    words += ["-machine", f"pc,accel={'kvm' if kvm else 'tcg'}", "-cpu", "host" if kvm else "max"]
    words += ["-smp", "2", "-m", str(LAB.memory)]
    words += ["-kernel", f"{LAB.image}/vmlinuz", "-initrd", f"{LAB.image}/initrd"]
    words += ["-append", f"{kernel} nvme_core.io_timeout=4294967295 {append}".strip()]
    words += ["-smbios", "type=0,vendor=Amazon EC2,version=1.0", "-smbios", smbios]
    words += ["-netdev", network, "-device", f"virtio-net-pci,netdev=n0,mac={MAC}"]
    words += ["-device", "virtio-rng-pci"]
    words += ["-chardev", f"file,id=con,path={directory}/console.log,append=on", "-serial", "chardev:con"]
    words += ["-chardev", f"socket,id=hold,path={directory}/hold.sock,server=on,wait=off"]
    words += ["-serial", "chardev:hold", "-qmp", f"unix:{directory}/qmp.sock,server=on,wait=off"]
    # The root is virtio, not NVMe as on EC2: QEMU can save and restore only the former.
    disk = f"if=none,id=root,file={root},format={root.suffix[1:]},cache=unsafe,discard=unmap"
    return [*words, "-drive", disk, "-device", "virtio-blk-pci,drive=root"]


def connect(path: Path, process: subprocess.Popen[bytes]) -> socket.socket:
    """Connects to one of QEMU's sockets as soon as it is there."""
    for _ in range(1000):
        try:
            end = socket.socket(socket.AF_UNIX)
            end.settimeout(120)
            end.connect(str(path))
            return end
        except OSError:
            end.close()
            if process.poll() is not None:
                break
            time.sleep(0.01)
    raise RuntimeError(f"QEMU made no {path}")


class Qmp:
    """QEMU's control connection."""

    def __init__(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        self._socket = connect(path, process)
        self._file = self._socket.makefile("rb")
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []
        self._file.readline()
        self.run("qmp_capabilities")

    def run(self, name: str, **arguments: Any) -> Any:
        """One command; underscores in names of arguments stand for hyphens."""
        words = {key.replace("_", "-"): value for key, value in arguments.items()}
        with self._lock:
            self._socket.sendall(json.dumps({"execute": name, "arguments": words}).encode() + b"\n")
            while True:
                answer = json.loads(self._file.readline() or b'{"error": {"desc": "QEMU is gone"}}')
                if "event" in answer:
                    self._events.append(answer)
                elif "error" in answer:
                    raise RuntimeError(f"{name}: {answer['error']['desc']}")
                else:
                    return answer["return"]

    def monitor(self, line: str) -> Any:
        """A command of the human monitor, for what QMP lacks."""
        return self.run("human-monitor-command", command_line=line)

    def until(self, seconds: float, seen: Callable[[dict[str, Any]], bool]) -> bool:
        """Waits for an event, or for a status in the form `{"event": status}`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.run("query-status")["status"]
            if any(seen(event) for event in [{"event": status}, *self._events]):
                self._events.clear()
                return True
            time.sleep(0.02)
        return False
