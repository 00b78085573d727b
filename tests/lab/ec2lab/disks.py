"""Volumes and snapshots as files: `disks/vol-….raw|qcow2`, `disks/snap-….raw|qcow2`, sparse.

A box has no root disk but a tree that is laid over the image: `disks/vol-….tree/`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from .common import LAB

# The root's size in GiB unless the caller asks for more; the saved machine has it too.
ROOT_GIB = 8
# What images call their root.
ROOT_NAMES = ("/dev/sda1", "/dev/xvda")


def directory() -> Path:
    """Where the files are."""
    return LAB.state / "disks"


def find(some_id: str) -> Path | None:
    """The file behind a volume or snapshot, or None where nothing was ever written."""
    return next((p for p in directory().glob(some_id + ".*") if p.suffix != ".tree"), None)


def tree(volume_id: str) -> Path:
    """The directory behind a box's root volume."""
    return directory() / f"{volume_id}.tree"


def copy(source: Path, new_id: str) -> Path:
    """A copy under another id."""
    target = source.with_name(new_id + source.suffix)
    subprocess.run(["cp", "--sparse=always", "--reflink=auto", source, target], check=True)
    return target


def of_volume(volume: Any) -> Path:
    """The volume's file, made when first needed: an empty one, or its snapshot's or the seed's copy."""
    path = find(volume.id)
    if path is None and volume.snapshot_id and (saved := find(volume.snapshot_id)):
        path = copy(saved, volume.id)
    if path is None and LAB.seed and (seed := find(LAB.seed)):
        path = copy(seed, volume.id)
    if path is None:
        path = directory() / f"{volume.id}.raw"
        path.touch()
    grow(path, int(volume.size))
    return path


def grow(path: Path, gib: int) -> None:
    """Makes a raw file at least so large."""
    if path.suffix == ".raw":
        os.truncate(path, max(gib << 30, path.stat().st_size))


def overlay(base: Path, base_format: str, path: Path, gib: int) -> None:
    """A qcow2 that holds what differs from `base`."""
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", base_format]
    subprocess.run([*command, str(path), f"{gib}G"], check=True)


def remove(some_id: str) -> None:
    """Deletes whatever is behind the id."""
    if path := find(some_id):
        path.unlink()
    shutil.rmtree(tree(some_id), ignore_errors=True)


def root_name(instance: Any) -> str | None:
    """Which entry of the instance's mapping is its root."""
    names = (instance.root_device_name, *ROOT_NAMES)
    return next((name for name in names if name in instance.block_device_mapping), None)


def data_volumes(instance: Any) -> list[Any]:
    """The instance's volumes but for its root."""
    root = root_name(instance)
    backend = instance.ec2_backend
    return [backend.get_volume(b.volume_id) for n, b in instance.block_device_mapping.items() if n != root]
