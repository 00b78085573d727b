"""Snapshots: the bytes of a volume at one moment, complete only after a while, and in pieces of 512 KiB."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import time
from pathlib import Path
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.elastic_block_store import EBSBackend, Snapshot
from moto.ec2.responses.elastic_block_store import ElasticBlockStore

from . import disks
from .common import LAB
from .hooks import hook
from .machine import MACHINES

BLOCK = 524288
_ZEROS = bytes(BLOCK)
# Snapshot and block: what is read there is not what was written.
CORRUPT: set[tuple[str, int]] = set()


class Life:
    """When a snapshot is complete, and how large its volume was; moto knows the volume's size of now."""

    def __init__(self, gib: int, seconds: float) -> None:
        self.gib = gib
        self.begun = time.monotonic()
        self.seconds = seconds
        # Blocks that were put into one that is not sealed yet.
        self.put: dict[int, bytes] | None = None

    @property
    def share(self) -> float:
        """How far it has come, of 1."""
        if self.put is not None:
            return 0.0
        return min(1.0, (time.monotonic() - self.begun) / self.seconds) if self.seconds else 1.0


def life(snapshot: Any) -> Life:
    """One that moto made for itself is complete."""
    if not hasattr(snapshot, "lab_life"):
        snapshot.lab_life = Life(int(snapshot.volume.size), 0)
    return snapshot.lab_life


Snapshot.volume_size = property(lambda snapshot: life(snapshot).gib)
Snapshot.status = property(
    lambda snapshot: "completed" if life(snapshot).share >= 1 else "pending",
    # moto's own word of it, at its making.
    lambda snapshot, _: None,
)
Snapshot.progress = property(lambda snapshot: f"{int(life(snapshot).share * 100)}%")


@hook(EBSBackend, "create_snapshot")
def _(original: Any, backend: Any, volume_id: str, *more: Any, **named: Any) -> Any:
    volume, snapshot = backend.get_volume(volume_id), original(backend, volume_id, *more, **named)
    snapshot.lab_life = Life(int(volume.size), LAB.snapshot_seconds)
    snapshot.lab_parent = volume.snapshot_id
    source = disks.of_volume(volume) if volume.snapshot_id else disks.find(volume.id)
    if source:
        machine = MACHINES.get(volume.attachment.instance.id) if volume.attachment else None
        copy = lambda: disks.copy(source, snapshot.id)
        machine.steady(copy) if machine and machine.alive else copy()
    return snapshot


@hook(EBSBackend, "delete_snapshot")
def _(original: Any, backend: Any, snapshot_id: str) -> Any:
    deleted = original(backend, snapshot_id)
    disks.remove(snapshot_id)
    blocks.cache_clear()
    return deleted


@hook(ElasticBlockStore, "describe_snapshots")
def _(original: Any, response: Any) -> Any:
    """moto lists all in one."""
    snapshots = list(original(response).result["Snapshots"])
    most = int(response._get_param("MaxResults", 0)) or len(snapshots)
    most = min(most, LAB.page or most)
    start = int(response._get_param("NextToken") or 0)
    more = str(start + most) if start + most < len(snapshots) else None
    return ActionResult({"Snapshots": snapshots[start : start + most], "NextToken": more})


def read(path: Path, index: int) -> bytes:
    """One block; what is past the file's end is zeros."""
    with path.open("rb") as file:
        file.seek(index * BLOCK)
        return file.read(BLOCK).ljust(BLOCK, b"\0")


def write(path: Path, index: int, data: bytes) -> None:
    """Puts one block in its place."""
    with path.open("r+b") as file:
        file.seek(index * BLOCK)
        file.write(data)


@functools.lru_cache(maxsize=64)
def blocks(snapshot_id: str) -> tuple[int, ...]:
    """The blocks of a complete snapshot that hold data."""
    path = disks.find(snapshot_id)
    if path is None or path.suffix != ".raw":
        return ()
    found: list[int] = []
    with path.open("rb") as file:
        size, at = os.fstat(file.fileno()).st_size, 0
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(file.fileno(), at, os.SEEK_HOLE)
            for index in range(at // BLOCK, (end + BLOCK - 1) // BLOCK):
                data = os.pread(file.fileno(), BLOCK, index * BLOCK)
                if (not found or found[-1] < index) and data != _ZEROS[: len(data)]:
                    found.append(index)
            at = end
    return tuple(found)


def lineage(backend: Any, snapshot_id: str) -> set[str]:
    """The snapshots and volumes that it comes of, itself among them."""
    names, now = set(), snapshot_id
    while now and now not in names:
        names.add(now)
        snapshot = backend.snapshots.get(now)
        if snapshot and snapshot.volume.id != NO_VOLUME:
            names.add(snapshot.volume.id)
        now = getattr(snapshot, "lab_parent", None)
    return names


# What the volume of a snapshot is called that was not made of one.
NO_VOLUME = "vol-ffffffff"


def checksum(data: bytes) -> str:
    """As the headers have it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
