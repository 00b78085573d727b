"""The saved machine: under emulation, a copy of it reaches sshd in half the time of a boot.

It is booted once as far as cloud-init's first line of work (the launcher in the image waits on ttyS1), the
rest of the boot settles, and the whole machine is saved. It fits one version of QEMU on one kind of
processor, so each machine makes its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from . import disks, qemu
from .common import LAB
from .processes import start

# The rest of the boot has settled when the machine has used this little of a processor for so long, in seconds.
_QUIET_SHARE, _QUIET_FOR, _AT_MOST = 0.1, 2.0, 60.0


def paths() -> tuple[Path, Path, Path]:
    """Its disk, its memory and what it had written to its console."""
    return LAB.image / "template.qcow2", LAB.image / "template.state", LAB.image / "template.console"


def there() -> bool:
    """Whether it has been made here."""
    return paths()[1].exists()


def ensure() -> None:
    """Makes it where it is of use and not there yet."""
    if qemu.accelerator() != "tcg":
        return
    stamp = LAB.image / "template.key"
    if there() and stamp.exists() and stamp.read_text() == _key():
        return
    print("lab-setup: the saved machine (half a minute)", flush=True)
    paths()[1].unlink(missing_ok=True)
    make()
    stamp.write_text(_key())


def make() -> None:
    """Makes it, in half a minute."""
    disk, state, console = paths()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        disks.overlay(LAB.image / "rootfs.img", "raw", disk, disks.ROOT_GIB)
        errors = directory / "qemu.log"
        process = start(qemu.command(directory, disk, "172.31.0.9", "lab.hold"), errors)
        try:
            control = qemu.Qmp(directory / "qmp.sock", process)
            line = qemu.connect(directory / "hold.sock", process)
            if b"HOLD" not in line.makefile("rb").readline():
                raise SystemExit("lab: the image's cloud-init did not stop")
            _settle(process)
            control.run("stop")
            part = state.with_suffix(".part")
            control.run("migrate", uri=f"exec:cat >{part}")
            end = time.monotonic() + 120
            while control.run("query-migrate").get("status") not in ("completed", "failed"):
                if time.monotonic() > end:
                    raise SystemExit("lab: QEMU does not save the machine")
                time.sleep(0.1)
            control.run("quit")
            process.wait(20)
        except (RuntimeError, OSError) as error:
            raise SystemExit(f"lab: no template: {error}\n{errors.read_text()[-1000:]}") from error
        finally:
            process.kill()
        console.write_bytes((directory / "console.log").read_bytes())
        part.rename(state)


def _settle(process: subprocess.Popen[bytes]) -> None:
    """Waits until the machine is idle."""
    ticks = os.sysconf("SC_CLK_TCK")
    begun = quiet_since = then = time.monotonic()
    used = _cpu_seconds(process.pid, ticks)
    while time.monotonic() - quiet_since < _QUIET_FOR and time.monotonic() - begun < _AT_MOST:
        time.sleep(0.25)
        now, used_now = time.monotonic(), _cpu_seconds(process.pid, ticks)
        if (used_now - used) / (now - then) > _QUIET_SHARE:
            quiet_since = now
        then, used = now, used_now


def _cpu_seconds(pid: int, ticks: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / ticks


def _key() -> str:
    """What a template depends on beside the image."""
    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True)
    model = next((x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")), "")
    return json.dumps([version.stdout.splitlines()[0], model, LAB.memory])
