"""A machine in QEMU: a kernel, disks and a processor of its own. Slow where the processor cannot help."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import time
from typing import Any

from . import disks, imds, qemu, template
from .common import LAB, log
from .machine import Machine, Rule
from .processes import start

# The client's address as security groups see it: QEMU's forwarding cannot tell callers apart.
_CLIENT = "127.0.0.1"


class Vm(Machine):
    """One VM. A reboot from within happens inside of the same QEMU."""

    def __init__(self, inst: Any) -> None:
        super().__init__(inst)
        self.process: subprocess.Popen[bytes] | None = None
        self.control: qemu.Qmp | None = None
        self.ports: set[int] = set()
        self.rules: list[Rule] = []
        self._prepare_root()

    def _prepare_root(self) -> None:
        inst = self.inst
        volume = inst.ec2_backend.get_volume(inst.block_device_mapping[disks.root_name(inst)].volume_id)
        size = int(volume.size)
        fresh = disks.find(volume.id) is None and not volume.snapshot_id
        # Only a first boot can come from the saved machine, and only with the disk that it knows.
        saved = qemu.accelerator() == "tcg" and size <= disks.ROOT_GIB and template.there()
        self.from_template = fresh and saved
        if fresh:
            base = (template.paths()[0], "qcow2") if saved else (LAB.image / "rootfs.img", "raw")
            disks.overlay(*base, disks.directory() / f"{volume.id}.qcow2", max(disks.ROOT_GIB, size))
        self.root = disks.find(volume.id) or disks.of_volume(volume)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def describe(self) -> dict[str, Any]:
        pid = self.process.pid if self.process else 0
        more = {"pid": pid, "ports": sorted(self.ports), "template": self.from_template}
        return {**super().describe(), **more, "accelerator": qemu.accelerator()}

    def boot(self) -> None:
        self.imds = imds.serve(self, imds.unix_listener(self.dir / "imds.sock"))
        private = self.inst.private_ip
        if ipaddress.ip_address(private) not in ipaddress.ip_network("160.0.0.0/4"):
            private = "172.31.255.9"
        command = qemu.command(self.dir, self.root, private)
        if self.from_template:
            _, state, console = template.paths()
            command += ["-incoming", f"exec:cat {state}"]
            (self.dir / "console.log").write_bytes(console.read_bytes())
        errors = self.dir / "qemu.log"
        self.process = start(command, errors)
        try:
            self.control = qemu.Qmp(self.dir / "qmp.sock", self.process)
            self.allow(self.rules)
            if self.from_template:
                self._resume()
            for volume in disks.data_volumes(self.inst):
                self.plug(volume)
        except (RuntimeError, OSError) as error:
            raise RuntimeError(f"{error}: {errors.read_text()[-500:]}") from error
        made = "from the template" if self.from_template else "from cold"
        log(self.inst.id, "boots at", self.address, qemu.accelerator(), made)

    def _resume(self) -> None:
        assert self.control and self.process
        self.control.until(60, lambda event: event["event"] == "paused")
        self.control.run("cont")
        # The launcher waits for the time and for a seed, so that no two copies make the same keys.
        self.line = qemu.connect(self.dir / "hold.sock", self.process)
        self.line.sendall(f"GO {time.time():.3f} {os.urandom(32).hex()}\n".encode())

    def wait(self) -> None:
        assert self.process
        self.process.wait()
        self.imds.shutdown()
        self.imds.server_close()

    def allow(self, rules: list[Rule]) -> None:
        self.rules = rules
        if not (self.alive and self.control):
            return
        wanted = {p for rule in rules for p in rule.ports() if rule.covers(_CLIENT, p)}
        for port in self.ports - wanted:
            self.control.monitor(f"hostfwd_remove n0 tcp:{self.address}:{port}")
        for port in wanted - self.ports:
            self.control.monitor(f"hostfwd_add n0 tcp:{self.address}:{port}-:{port}")
        self.ports = wanted

    def press_power(self) -> None:
        if self.control:
            self.control.run("system_powerdown")

    def cut_power(self) -> None:
        self.cut = True
        if self.process:
            self.process.kill()

    def reboot(self) -> None:
        if self.control:
            self.control.run("system_reset")

    def hold(self, yes: bool) -> None:
        if self.control:
            self.control.run("stop" if yes else "cont")

    def cable(self, plugged: bool) -> None:
        if self.control:
            self.control.monitor(f"set_link n0 {'on' if plugged else 'off'}")

    def plug(self, volume: Any) -> None:
        assert self.control
        path = disks.of_volume(volume)
        file = {"driver": "file", "filename": str(path), "discard": "unmap"}
        node = {"driver": path.suffix[1:], "node_name": volume.id, "discard": "unmap", "file": file}
        self.control.run("blockdev-add", **node)
        serial = volume.id.replace("-", "")
        self.control.run("device_add", driver=LAB.disk, id=f"d-{volume.id}", drive=volume.id, serial=serial)

    def unplug(self, volume: Any) -> None:
        assert self.control
        name = f"d-{volume.id}"
        self.control.run("device_del", id=name)
        self.control.until(20, lambda event: event["event"] == "DEVICE_DELETED" and event["data"].get("device") == name)
        self.control.run("blockdev-del", node_name=volume.id)

    def grown(self, volume: Any) -> None:
        # QEMU's NVMe refuses to grow while in use; `--disk virtio-blk-pci` can.
        if self.control and LAB.disk != "nvme":
            self.control.run("block_resize", node_name=volume.id, size=int(volume.size) << 30)
