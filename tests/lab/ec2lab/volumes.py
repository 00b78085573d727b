"""Volumes and snapshots: real bytes behind them, attached to and taken from machines that run."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.core import TaggedEC2Resource
from moto.ec2.models.elastic_block_store import EBSBackend, VolumeAttachment
from moto.ec2.responses.elastic_block_store import ElasticBlockStore
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, get_prefix

from . import disks, snapshots  # noqa: F401
from .common import LAB, LOCK, complain, later
from .hooks import hook, refuse
from .machine import MACHINES


def _machine(volume: Any) -> Any:
    """The machine that the volume is attached to, if that runs."""
    machine = MACHINES.get(volume.attachment.instance.id) if volume.attachment else None
    return machine if machine and machine.alive else None


def _later(work: Callable[[], None], what: str) -> None:
    """Like EC2, attaching and detaching answer at once and happen then."""

    def go() -> None:
        try:
            work()
        except Exception:  # noqa: BLE001
            complain(f"{what}:\n{traceback.format_exc()}")

    later(go)


def _goes_with_instance(attachment: Any) -> bool:
    block = attachment.instance.block_device_mapping.get(attachment.device)
    return bool(block and block.delete_on_termination)


# moto keeps it with the instance only; DescribeVolumes shows it too.
VolumeAttachment.delete_on_termination = property(_goes_with_instance)


@hook(EBSBackend, "create_volume")
def _(original: Any, backend: Any, *arguments: Any, **named: Any) -> Any:
    snapshot = backend.snapshots.get(named.get("snapshot_id") or "")
    if snapshot is not None:
        _check_snapshot(snapshot, named)
    volume = original(backend, *arguments, **named)
    if volume.volume_type == "gp3":
        volume.throughput = int(volume.throughput or 125)
    if snapshot is not None and disks.find(snapshot.id):
        # Now: the snapshot may be gone before the volume is used.
        disks.of_volume(volume)
    return volume


def _check_snapshot(snapshot: Any, named: dict[str, Any]) -> None:
    if snapshot.status != "completed":
        raise refuse("IncorrectState", f"Snapshot '{snapshot.id}' is in the '{snapshot.status}' state.")
    if named.get("size") is None:
        named["size"] = snapshot.volume_size
    # An image's own says nothing of its size here.
    if disks.find(snapshot.id) and int(named["size"]) < snapshot.volume_size:
        text = f"The size of a volume cannot be smaller than that of its snapshot '{snapshot.id}'"
        raise refuse("InvalidParameterValue", text)


@hook(TaggedEC2Resource, "get_tags")
def _(original: Any, resource: Any) -> Any:
    """moto looks through all tags of all resources for those of one: seconds a listing of hundreds."""
    own = resource.ec2_backend.tags.get(resource.id) or {}
    kind = EC2_PREFIX_TO_RESOURCE.get(get_prefix(resource.id), "") if own else ""
    return [{"resource_id": resource.id, "key": k, "value": v, "resource_type": kind} for k, v in own.items()]


@hook(ElasticBlockStore, "describe_volumes")
def _(original: Any, response: Any) -> Any:
    """moto lists all in one."""
    volumes = list(original(response).result["Volumes"])
    most = int(response._get_param("MaxResults", 0)) or len(volumes)
    most = min(most, LAB.page or most)
    start = int(response._get_param("NextToken") or 0)
    more = str(start + most) if start + most < len(volumes) else None
    return ActionResult({"Volumes": volumes[start : start + most], "NextToken": more})


@hook(EBSBackend, "delete_volume")
def _(original: Any, backend: Any, volume_id: str) -> Any:
    volume = original(backend, volume_id)
    disks.remove(volume_id)
    return volume


@hook(EBSBackend, "attach_volume")
def _(original: Any, backend: Any, volume_id: str, instance_id: str, device: str, *more: Any, **named: Any) -> Any:
    volume, inst = backend.get_volume(volume_id), backend.get_instance(instance_id)
    machine = MACHINES.get(instance_id)
    # Without a machine this is RunInstances attaching what it has made.
    if machine:
        _check_attach(volume, inst, device)
    attachment = original(backend, volume_id, instance_id, device, *more, **named)
    if machine and machine.alive:
        attachment.status = "attaching"

        def go() -> None:
            machine.plug(volume)
            attachment.status = "attached"

        _later(go, f"attaching {volume_id}")
    return attachment


def _check_attach(volume: Any, inst: Any, device: str) -> None:
    if volume.attachment:
        raise refuse("VolumeInUse", f"{volume.id} is already attached to an instance")
    if volume.availability_zone != inst.availability_zone:
        raise refuse(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume.id}' is not in the same availability zone as instance '{inst.id}'",
        )
    if inst._state.name not in ("running", "stopped"):
        raise refuse("IncorrectState", f"Instance '{inst.id}' is not 'running'.")
    if device in inst.block_device_mapping:
        raise refuse(
            "InvalidParameterValue",
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
        )


@hook(EBSBackend, "detach_volume")
def _(original: Any, backend: Any, volume_id: str, instance_id: str, device: str) -> Any:
    volume = backend.get_volume(volume_id)
    attachment = volume.attachment
    if not attachment:
        raise refuse("IncorrectState", f"Volume '{volume_id}' is in the 'available' state.")
    machine = _machine(volume)
    if not machine:
        return original(backend, volume_id, attachment.instance.id, device)
    attachment.status = "detaching"

    def go() -> None:
        machine.unplug(volume)
        with LOCK:
            # Its machine's end may have come first.
            if volume.attachment:
                original(backend, volume_id, machine.inst.id, device)

    _later(go, f"detaching {volume_id}")
    return attachment


@hook(EBSBackend, "modify_volume")
def _(original: Any, backend: Any, volume_id: str, target_size: Any = None, *more: Any, **named: Any) -> Any:
    before = backend.get_volume(volume_id)
    if target_size and int(target_size) < int(before.size):
        raise refuse("InvalidParameterValue", "New size cannot be smaller than existing size")
    volume = original(backend, volume_id, target_size, *more, **named)
    if target_size and (machine := _machine(volume)):
        machine.grown(volume)
    elif target_size and (path := disks.find(volume.id)):
        disks.grow(path, int(target_size))
    return volume
