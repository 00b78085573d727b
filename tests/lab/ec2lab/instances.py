"""Instances: what RunInstances and its kin must do beyond moto, and the life of the machine behind each."""

from __future__ import annotations

import base64
import copy
import datetime
import time
import traceback
from typing import Any

from moto.core.responses import ActionResult
from moto.core.types import Base64EncodedString
from moto.ec2 import utils as ec2_utils
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceBackend
from moto.ec2.responses.general import General
from moto.ec2.responses.instances import InstanceResponse
from moto.ssm.models import Parameter, ParameterDict, ssm_backends

from . import disks, prices, quotas
from .common import LAB, LOCK, complain, later, log
from .hooks import hook, refuse
from .images import PARAMETERS
from .machine import MACHINES, Machine, rules_of

ec2_utils.filter_dict_attribute_mapping["client-token"] = "client_token"
ec2_utils.filter_dict_attribute_mapping["instance-lifecycle"] = "lifecycle"

_SELF = "Client.InstanceInitiatedShutdown"
BY_ITSELF = (_SELF, f"{_SELF}: Instance initiated shutdown")


def new_machine(inst: Any) -> Machine:
    """A machine of the kind that this lab runs; the instance's tag `lab:machine` names another."""
    tags = {t["key"]: t["value"] for t in inst.get_tags()}
    kind = tags.get("lab:machine", LAB.machines)
    if kind == "vm":
        from .vm import Vm

        return Vm(inst)
    if kind == "box":
        from .box import Box

        return Box(inst)
    from .none import NoMachine

    return NoMachine(inst)


def set_state(inst: Any, name: str, code: int) -> None:
    """`pending` 0, `running` 16, `shutting-down` 32, `stopping` 64."""
    inst._state.name, inst._state.code = name, code


def launch(inst: Any) -> None:
    """Gives the instance a machine and sees it from pending to running to its end."""
    set_state(inst, "pending", 0)
    machine = MACHINES[inst.id] = new_machine(inst)
    machine.allow(rules_of(inst))
    inst.nics[0].public_ip = machine.address if inst.nics[0].public_ip else None
    machine.life = later(_live, machine)


def _live(machine: Machine) -> None:
    inst = machine.inst
    begun = time.monotonic()
    try:
        machine.boot()
    except Exception:  # noqa: BLE001
        if machine.on_end is None and not machine.cut:
            complain(f"{inst.id} does not start:\n{traceback.format_exc()}")
        machine.cut_power()
    if (machine.on_end or machine.cut) and machine.alive:
        machine.cut_power()
    time.sleep(max(0.0, LAB.pending - (time.monotonic() - begun)))
    with LOCK:
        if inst._state.name == "pending":
            set_state(inst, "running", 16)
        # Rules may have changed while it started.
        machine.allow(rules_of(inst))
    machine.wait()
    with LOCK:
        end, reason = machine.on_end, machine.reason
        if end is None:
            # Nobody asked: the guest did it.
            terminate = inst.instance_initiated_shutdown_behavior == "terminate"
            end, reason = (TERMINATE if terminate else STOP), BY_ITSELF
        machine.reason = reason
        end(inst)
        if reason:
            inst.state_reason.code, inst.state_reason.message = reason
        log(inst.id, "ended:", inst._state.name, reason[0] if reason else "")


def end(machine: Machine, on_end: Any, reason: tuple[str, str] | None = None) -> None:
    """Powers off as EC2 does: the button first, the plug after a while."""
    machine.on_end, machine.reason = on_end, reason

    def go() -> None:
        deadline = time.monotonic() + LAB.grace
        pressed = 0.0
        while machine.alive and time.monotonic() < deadline:
            # Again and again: a guest that is just starting does not hear it yet.
            if time.monotonic() > pressed + 1:
                pressed = time.monotonic()
                try:
                    machine.press_power()
                except (RuntimeError, OSError) as error:
                    log(machine.inst.id, "does not hear its power button:", error)
            time.sleep(0.02)
        if machine.alive:
            machine.cut_power()

    later(go)


def _root_mapping(backend: Any, image_id: str, mappings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The caller's mapping with a root in it: moto takes it literally, EC2 adds what the image has."""
    root = backend.describe_images(ami_ids=[image_id])[0].root_device_name
    found = next((m for m in mappings if m["DeviceName"] == root), None)
    if found is None:
        found = {"DeviceName": root, "VirtualName": None, "NoDevice": None, "Ebs": {}}
        mappings = [found, *mappings]
    ebs = found["Ebs"]
    ebs["VolumeSize"] = ebs.get("VolumeSize") or disks.ROOT_GIB
    ebs["VolumeType"] = ebs.get("VolumeType") or "gp3"
    if "DeleteOnTermination" not in ebs.get("given", ()):
        ebs["DeleteOnTermination"] = True
    return mappings


def _check_architecture(backend: Any, image_id: str, type_: str) -> None:
    image = backend.describe_images(ami_ids=[image_id])[0]
    known = INSTANCE_TYPES.get(type_, {}).get("ProcessorInfo", {}).get("SupportedArchitectures", [])
    if known and image.architecture not in known:
        raise refuse(
            "InvalidParameterValue",
            f"The architecture '{','.join(known)}' of the specified instance type does not match the"
            f" architecture '{image.architecture}' of the specified AMI. Specify an instance type and an AMI"
            " that have matching architectures, and try again.",
        )


@hook(InstanceResponse, "_parse_block_device_mapping")
def _(original: Any, self: Any) -> Any:
    for given in self._get_param("BlockDeviceMappings", []):
        # A root's size is its image's where none is given; moto wants one.
        if given.get("DeviceName") in disks.ROOT_NAMES and "SnapshotId" not in given.get("Ebs", {}):
            given.setdefault("Ebs", {}).setdefault("VolumeSize", disks.ROOT_GIB)
    mappings = original(self)
    for mapping, given in zip(mappings, self._get_param("BlockDeviceMappings", []), strict=True):
        mapping["Ebs"]["Throughput"] = given.get("Ebs", {}).get("Throughput")
        mapping["Ebs"]["given"] = tuple(given.get("Ebs", {}))
    return mappings


@hook(InstanceResponse, "_block_device_mapping_handler")
def _(original: Any, self: Any) -> Any:
    names = [m.get("DeviceName") for m in self._get_param("BlockDeviceMappings", [])]
    inst = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    if names and inst._state.name in ("shutting-down", "terminated"):
        raise refuse("IncorrectInstanceState", f"The instance '{inst.id}' is not in a valid state.")
    if missing := [n for n in names if n not in inst.block_device_mapping]:
        raise refuse("InvalidInstanceAttributeValue", f"No device is currently mapped at {missing[0]}")
    return original(self)


@hook(InstanceBackend, "run_instances")
def _(original: Any, backend: Any, image_id: str, count: int, user_data: Any, groups: Any, **more: Any) -> Any:
    if user_data and len(base64.b64decode(str(user_data))) > 16384:
        raise refuse("InvalidParameterValue", "User data is limited to 16384 bytes")
    if image_id and image_id.startswith("resolve:ssm:"):
        name = image_id.removeprefix("resolve:ssm:")
        parameter = ssm_backends[backend.account_id][backend.region_name].get_parameter(name)
        if parameter is None:
            raise refuse("InvalidParameterValue", f"The SSM parameter {name} does not exist")
        image_id = parameter.value
    type_ = more["instance_type"]
    spot = bool(more.get("instance_market_options"))
    _check_architecture(backend, image_id, type_)
    quotas.check(backend, type_, count, spot)
    if not more.get("subnet_id") and not more.get("nics"):
        # moto would go back to EC2-Classic and a random 10.x address.
        zones = backend.get_default_subnets()
        if more.get("placement") and more["placement"] not in zones:
            raise refuse("InvalidParameterValue", f"Invalid availability zone: [{more['placement']}]")
        more["subnet_id"] = zones.get(more.get("placement"), next(iter(zones.values()))).id
    # moto takes the count for instances without interfaces of their own only.
    nics = more.get("nics") or []
    subnet6 = any(nic.get("Ipv6AddressCount") for nic in (nics.values() if isinstance(nics, dict) else nics))
    mappings = more["block_device_mappings"] = _root_mapping(backend, image_id, more.get("block_device_mappings", []))
    reservation = original(backend, image_id, count, user_data, groups, **more)
    for inst in reservation.instances:
        inst.launched = time.monotonic()
        if spot:
            inst.spot_instance_request_id = "sir-" + inst.id[-8:]
        _keep_speed(inst, mappings)
        if subnet6 and inst.nics[0].subnet.ipv6_cidr_block_associations:
            backend.assign_ipv6_addresses(inst.nics[0].id, ipv6_count=1)
        launch(inst)
    return reservation


@hook(InstanceResponse, "run_instances")
def _(original: Any, self: Any) -> Any:
    limit = self._get_param("InstanceMarketOptions.SpotOptions.MaxPrice")
    zone = self._get_param("Placement.AvailabilityZone") or f"{self.region}a"
    if limit and float(limit) < (now := prices.spot(self._get_param("InstanceType"), zone)):
        raise refuse(
            "SpotMaxPriceTooLow",
            f"Your Spot request price of {limit} is lower than the minimum required Spot request"
            f" fulfillment price of {now}.",
        )
    return original(self)


def _keep_speed(inst: Any, mappings: list[dict[str, Any]]) -> None:
    for mapping in mappings:
        block = inst.block_device_mapping.get(mapping["DeviceName"])
        if block is None:
            continue
        volume = inst.ec2_backend.get_volume(block.volume_id)
        if volume.volume_type == "gp3":
            volume.throughput = int(mapping["Ebs"].get("Throughput") or 125)
        if iops := mapping["Ebs"].get("Iops"):
            volume.iops = int(iops)


@hook(Instance, "terminate")
def TERMINATE(original: Any, inst: Any) -> Any:
    machine, before = MACHINES.get(inst.id), copy.copy(inst._state)
    if before.name == "terminated" or before.name == "shutting-down":
        return before
    if machine and (machine.alive or before.name == "pending"):
        set_state(inst, "shutting-down", 32)
        end(machine, original)
    else:
        original(inst)
    return before


@hook(Instance, "stop")
def STOP(original: Any, inst: Any) -> Any:
    machine, before = MACHINES.get(inst.id), copy.copy(inst._state)
    if before.name in ("terminated", "shutting-down"):
        raise refuse("IncorrectInstanceState", f"This instance '{inst.id}' is not in a state to be stopped.")
    if machine and machine.alive:
        set_state(inst, "stopping", 64)
        end(machine, original)
    elif before.name != "stopped":
        original(inst)
    return before


@hook(Instance, "start")
def _(original: Any, inst: Any) -> Any:
    before = copy.copy(inst._state)
    if before.name != "stopped":
        message = f"The instance '{inst.id}' is not in a state from which it can be started."
        raise refuse("IncorrectInstanceState", message)
    original(inst)
    launch(inst)
    return before


@hook(Instance, "reboot")
def _(original: Any, inst: Any) -> Any:
    original(inst)
    MACHINES[inst.id].reboot()


@hook(InstanceBackend, "all_reservations")
def _(original: Any, backend: Any, filters: Any = None) -> Any:
    found = original(backend, filters)
    newest = time.monotonic() - LAB.lag
    for reservation in found if LAB.lag else []:
        reservation.instances = [i for i in reservation.instances if getattr(i, "launched", 0) <= newest]
    return [r for r in found if r.instances]


@hook(InstanceResponse, "describe_instances")
def _(original: Any, self: Any) -> Any:
    found = original(self)
    listed = found.result["Reservations"]
    if LAB.page and len(listed) > LAB.page:
        # moto's own token: the last one that was told.
        listed = listed[: LAB.page]
        return ActionResult({"Reservations": listed, "NextToken": listed[-1].id})
    return found


@hook(General, "get_console_output")
def _(original: Any, self: Any) -> Any:
    inst = self.ec2_backend.get_instance(self._get_param("InstanceId"))
    text = MACHINES[inst.id].console()[-65536:].decode("utf-8", "replace")
    now = datetime.datetime.now(datetime.timezone.utc)
    output = Base64EncodedString.from_raw_string(text)
    return ActionResult({"InstanceId": inst.id, "Timestamp": now, "Output": output})


@hook(ParameterDict, "_check_loading_status")
def _(original: Any, parameters: Any, key: str) -> None:
    if key not in PARAMETERS:
        original(parameters, key)
    elif not dict.get(parameters, key):
        parameter = Parameter(
            account_id=parameters.account_id,
            name=key,
            value=PARAMETERS[key],
            parameter_type="String",
            description="",
            allowed_pattern=None,
            keyid=None,
            last_modified_date=datetime.datetime.now(datetime.timezone.utc),
            version=1,
            data_type="aws:ec2:image",
        )
        dict.__setitem__(parameters, key, [parameter])


def machine_of(instance_id: str) -> Machine:
    """For control calls."""
    machine = MACHINES.get(instance_id)
    if machine is None:
        complain(f"no machine {instance_id}")
        raise KeyError(instance_id)
    return machine
