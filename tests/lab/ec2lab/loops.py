"""Loop devices that do not outlive the lab: each clears itself when the last one who has it open is gone."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path

_GET_STATUS64, _SET_STATUS64 = 0x4C05, 0x4C04
_FLAGS_AT, _AUTOCLEAR = 52, 4


class Loop:
    """A block device over a file."""

    def __init__(self, file: Path) -> None:
        command = ["losetup", "--find", "--show", str(file)]
        shown = subprocess.run(command, check=True, capture_output=True, text=True)
        self.device = Path(shown.stdout.strip())
        self._handle = os.open(self.device, os.O_RDONLY | os.O_CLOEXEC)
        info = bytearray(232)
        fcntl.ioctl(self._handle, _GET_STATUS64, info)
        (flags,) = struct.unpack_from("I", info, _FLAGS_AT)
        struct.pack_into("I", info, _FLAGS_AT, flags | _AUTOCLEAR)
        fcntl.ioctl(self._handle, _SET_STATUS64, bytes(info))

    @property
    def number(self) -> int:
        """Major and minor number, as mknod wants them."""
        return os.fstat(self._handle).st_rdev

    def resize(self) -> None:
        """The file has grown."""
        subprocess.run(["losetup", "--set-capacity", str(self.device)], check=True)

    def free(self, seconds: float) -> bool:
        """Lets the device go; False where somebody still has it mounted after so many seconds.

        Waiting matters: a second device over a file that is still mounted would destroy what is on it.
        """
        os.close(self._handle)
        backing = Path("/sys/block") / self.device.name / "loop/backing_file"
        end = time.monotonic() + seconds
        while backing.exists():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True
