"""A machine out of namespaces, at native speed: the image's tree, its systemd, cloud-init and sshd.

What it shares with the laptop is the kernel and its clock: no hardware, no freezing of the kernel, no crash.
The metadata service is the lab's own socket inside of the box's network; port 22 is handed in from outside.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

from . import disks, imds
from .common import LAB, LOCK, complain, later, log
from .forward import Forward, Wire
from .loops import Loop
from .machine import Machine, Rule
from .processes import in_network, listen, start

_INIT = Path(__file__).with_name("box-init.sh")
# systemd's own signals, of SIGRTMIN upwards.
_POWEROFF, _REBOOT = signal.SIGRTMIN + 4, signal.SIGRTMIN + 5


def cgroup_root() -> Path:
    """Where cgroup v2 is mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    raise SystemExit("lab: boxes need a mounted cgroup2 file system (mount -t cgroup2 none /sys/fs/cgroup)")


class Box(Machine):
    """One box. A reboot from within starts it again on the same tree."""

    def __init__(self, inst: Any) -> None:
        super().__init__(inst)
        self.wire = Wire()
        self.cgroup = cgroup_root() / f"remote-lab-{os.getpid()}" / inst.id
        self.tree = disks.tree(inst.block_device_mapping[disks.root_name(inst)].volume_id)
        self.process: subprocess.Popen[bytes] | None = None
        # The box's process 1, as numbered outside.
        self.first = 0
        self.services: list[Any] = []
        self.api: Forward | None = None
        self.rules: list[Rule] = []
        self.forwards: dict[int, Forward] = {}
        self.loops: dict[str, Loop] = {}

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def describe(self) -> dict[str, Any]:
        more = {"pid": self.first, "ports": sorted(self.forwards), "tree": str(self.tree / "upper")}
        return {**super().describe(), **more}

    def boot(self) -> None:
        console = self._console()
        self.tree.mkdir(exist_ok=True)
        self.cgroup.mkdir(parents=True, exist_ok=True)
        # The shell enters the cgroup first, so that --cgroup makes that one the root of what the box sees.
        spaces = ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child=KILL"]
        command = ["sh", "-c", 'echo $$ >"$0"; exec "$@"', self.cgroup / "cgroup.procs", "unshare", *spaces]
        command += ["sh", _INIT, LAB.image / "root", self.tree, console, self.inst.private_ip]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = start(command, self.dir / "box.log", **pipes)
        assert self.process.stdin and self.process.stdout
        line = self.process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError((self.dir / "box.log").read_text()[-500:])
        self.first = int(line)
        self._serve()
        for volume in disks.data_volumes(self.inst):
            self.plug(volume)
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()
        self.allow(self.rules)

    def _console(self) -> Path:
        """A pipe into console.log: a file would be emptied by each shell that says something `>/dev/console`."""
        pipe, kept = self.dir / "console", self.dir / "console.log"
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)
        # Both ends, so that neither an opening nor a writing waits for anybody else.
        end = os.open(pipe, os.O_RDWR)

        def keep() -> None:
            with kept.open("ab", buffering=0) as file:
                while text := os.read(end, 65536):
                    file.write(text)

        kept.touch()
        later(keep)
        return pipe

    def _serve(self) -> None:
        metadata = in_network(self.first, lambda: listen("169.254.169.254", 80))
        api = in_network(self.first, lambda: listen("169.254.169.250", 80))
        self.services = [imds.serve(self, metadata)]
        self.api = Forward(api, self._dial_api, lambda _: True, self.wire)

    @staticmethod
    def _dial_api() -> socket.socket:
        return socket.create_connection(("127.0.0.1", LAB.port))

    def _dial_in(self, port: int) -> socket.socket:
        inside = in_network(self.first, lambda: socket.create_connection(("127.0.0.1", port), 5))
        # The limit is for connecting: a connection on which nothing is said for long stays.
        inside.settimeout(None)
        return inside

    def allow(self, rules: list[Rule]) -> None:
        with LOCK:
            self.rules = rules
            if not self.alive:
                return
            wanted = {port for rule in rules for port in rule.ports()}
            for port in self.forwards.keys() - wanted:
                self.forwards.pop(port).close(connections=False)
            for port in wanted - self.forwards.keys():
                self._open(port)

    def _open(self, port: int) -> None:
        def admits(peer: str) -> bool:
            return any(rule.covers(peer, port) for rule in self.rules)

        listener = listen(self.address, port)
        self.forwards[port] = Forward(listener, lambda: self._dial_in(port), admits, self.wire)

    def wait(self) -> None:
        while True:
            assert self.process
            self.process.wait()
            self._clear()
            # The kernel ends a box's process 1 by SIGHUP when the box reboots, by SIGINT when it powers off.
            if self.cut or self.on_end or self.process.returncode != -signal.SIGHUP:
                return
            log(self.inst.id, "reboots")
            self.boot()

    def _clear(self) -> None:
        with LOCK:
            forwards, self.forwards = self.forwards, {}
        for forward in [*forwards.values(), *([self.api] if self.api else [])]:
            forward.close(connections=True)
        for service in self.services:
            service.shutdown()
            service.server_close()
        self.services, self.api = [], None
        self._end_all()
        for volume_id in [*self.loops]:
            self._free_loop(volume_id)

    def _end_all(self) -> None:
        """Nothing of the box is left: process 1 is gone, its last children may need a moment."""
        events = self.cgroup / "cgroup.events"
        for _ in range(500):
            if "populated 0" in events.read_text():
                break
            (self.cgroup / "cgroup.kill").write_text("1")
            time.sleep(0.01)
        for path, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(path)

    def press_power(self) -> None:
        self._signal(_POWEROFF)

    def reboot(self) -> None:
        self._signal(_REBOOT)

    def _signal(self, number: int) -> None:
        if self.alive and self.first:
            os.kill(self.first, number)

    def cut_power(self) -> None:
        self.cut = True
        if self.process:
            self.process.kill()

    def hold(self, yes: bool) -> None:
        if yes:
            # A snapshot is taken of the file: what the guest's file system holds back must be in it.
            subprocess.run(["nsenter", "-t", str(self.first), "-m", "sync"], check=False)
        (self.cgroup / "cgroup.freeze").write_text("1" if yes else "0")

    def cable(self, plugged: bool) -> None:
        self.wire.plug(plugged)

    def plug(self, volume: Any) -> None:
        loop = self.loops[volume.id] = Loop(disks.of_volume(volume))
        node = self._dev() / loop.device.name
        os.mknod(node, stat.S_IFBLK | 0o660, loop.number)
        self._link(volume.id).symlink_to(f"../../{node.name}")

    def unplug(self, volume: Any) -> None:
        if loop := self.loops.get(volume.id):
            self._link(volume.id).unlink(missing_ok=True)
            (self._dev() / loop.device.name).unlink(missing_ok=True)
            self._free_loop(volume.id)

    def grown(self, volume: Any) -> None:
        disks.grow(disks.of_volume(volume), int(volume.size))
        if loop := self.loops.get(volume.id):
            loop.resize()

    def _dev(self) -> Path:
        """The box's /dev, seen from outside: before the box's root is moved, it is still inside of the tree."""
        moved = Path(f"/proc/{self.first}/root/run/lab-box")
        top = Path(f"/proc/{self.first}/root")
        return top / "dev" if moved.exists() else top / str(self.tree / "root/dev").lstrip("/")

    def _link(self, volume_id: str) -> Path:
        name = "nvme-Amazon_Elastic_Block_Store_" + volume_id.replace("-", "")
        return self._dev() / "disk/by-id" / name

    def _free_loop(self, volume_id: str) -> None:
        if not self.loops.pop(volume_id).free(seconds=10):
            complain(f"{volume_id} was taken away while {self.inst.id} had it mounted")


def sweep() -> None:
    """Removes the cgroups of this lab, at its end, and of labs that were killed."""
    for group in cgroup_root().glob("remote-lab-*"):
        pid = int(group.name.rsplit("-", 1)[1])
        if pid != os.getpid() and Path(f"/proc/{pid}").exists():
            continue
        for path, _, _ in os.walk(group, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                return log(f"{path} is still in use")
