"""The lab's own API: POST /lab/VERB with a JSON object, answered by one. docs/LAB.md lists the verbs."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable
from typing import Any

from moto.ec2.models.block_device import BlockDeviceType
from moto.ec2.models.elastic_block_store import VolumeAttachment

from . import direct, faults, iam
from .common import LAB, LOCK, later
from .instances import STOP, TERMINATE, end, machine_of, set_state
from .machine import MACHINES
from .services import Answer
from .small_services import confirm

Words = dict[str, Any]
_SETTINGS = ("lag", "address", "key_seconds", "machines", "page", "seed", "snapshot_seconds", "token_seconds")
_SPOT = "Server.SpotInstanceTermination"


def _fault(words: Words) -> None:
    faults.add(words)


def _clear(_: Words) -> None:
    faults.clear()


def _interrupt(words: Words) -> None:
    """A spot notice: in IMDS now, the end of the machine `seconds` later."""
    machine, seconds = machine_of(words["instance"]), float(words.get("seconds", 120))
    action = words.get("action", "terminate")
    due = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    machine.spot_notice = {"action": action, "time": due.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def go() -> None:
        time.sleep(seconds)
        with LOCK:
            if machine.alive and machine.on_end is None:
                stop = action == "stop"
                set_state(machine.inst, *(("stopping", 64) if stop else ("shutting-down", 32)))
                end(machine, STOP if stop else TERMINATE, (_SPOT, f"{_SPOT}: Spot instance termination"))

    later(go)


def _rebalance(words: Words) -> None:
    """A rebalance recommendation in IMDS."""
    now = datetime.datetime.now(datetime.timezone.utc)
    machine_of(words["instance"]).rebalance = now.strftime("%Y-%m-%dT%H:%M:%SZ")


def _kill(words: Words) -> None:
    """Something happens to a machine."""
    machine = machine_of(words["instance"])
    ways: dict[str, Callable[[], Any]] = {
        "power": machine.cut_power,
        "shutdown": machine.press_power,
        "freeze": lambda: machine.hold(True),
        "thaw": lambda: machine.hold(False),
        "unplug": lambda: machine.cable(False),
        "plug": lambda: machine.cable(True),
    }
    ways[words["how"]]()


def _forget(words: Words) -> None:
    """An hour has passed since the end: the tags are gone, or with `whole` the instance itself."""
    with LOCK:
        inst = machine_of(words["instance"]).inst
        if inst._state.name != "terminated":
            raise ValueError(f"{inst.id} is {inst._state.name}, not terminated")
        inst.ec2_backend.tags.pop(inst.id, None)
        if words.get("whole"):
            for reservation in inst.ec2_backend.reservations.values():
                reservation.instances = [i for i in reservation.instances if i.id != inst.id]


def _stick(words: Words) -> None:
    """AWS has not taken this volume from an instance that is terminated."""
    with LOCK:
        inst = machine_of(words["instance"]).inst
        volume = inst.ec2_backend.get_volume(words["volume"])
        if inst._state.name != "terminated" or volume.attachment:
            raise ValueError(f"{inst.id} is {inst._state.name}, and {volume.id} {volume.status}")
        volume.attachment = VolumeAttachment(volume, inst, "/dev/sdg", "busy")
        inst.block_device_mapping["/dev/sdg"] = BlockDeviceType(volume_id=volume.id, size=volume.size)


def _age(words: Words) -> None:
    """Makes an instance so many seconds older."""
    inst = machine_of(words["instance"]).inst
    inst.launch_time -= datetime.timedelta(seconds=float(words["seconds"]))


def _set(words: Words) -> None:
    """The settings that docs/LAB.md lists: numbers, words, `quotas` (code -> vCPUs), `auth`."""
    from moto import settings
    from moto.core.authorization import ActionAuthenticatorMixin

    for key, value in words.items():
        if key == "auth":
            settings.INITIAL_NO_AUTH_ACTION_COUNT = 0 if value else float("inf")
            ActionAuthenticatorMixin.request_count = 0
        elif key == "quotas":
            LAB.quotas.update(value)
        elif key in _SETTINGS:
            setattr(LAB, key, type(getattr(LAB, key))(value))
        else:
            raise ValueError(f"nothing called {key} to set")


def _corrupt(words: Words) -> None:
    """A block of a snapshot is from now on not what its checksum says."""
    direct.corrupt(words["snapshot"], int(words["index"]))


def _confirm(words: Words) -> Any:
    return {"confirmed": confirm(words["endpoint"])}


def _user(words: Words) -> Any:
    """A user with exactly these policies (name -> document); their key."""
    with LOCK:
        return iam.user(words["name"], words.get("policies", {}))


def _judge(words: Words, calls: list[Words]) -> Any:
    """What each of the `sets` of policies refuses of what users have asked for, each thing once: in calls that
    were let through, or with `refused` in those that were not; of everybody, or of one `principal`."""
    asked: dict[str, Words] = {}
    for call in calls:
        of_them = words.get("principal") in (None, call["principal"])
        if of_them and call.get("refused") == words.get("refused", False):
            for ask in call["asks"]:
                whole = {"principal": call["principal"], **ask}
                asked[json.dumps(whole, sort_keys=True)] = whole
    told = [iam.refused(policies, asked.values()) for policies in words["sets"]]
    return {"asked": list(asked.values()), "refused": told}


def _state(_: Words) -> None:
    """Only the answer that every verb has."""


_VERBS: dict[str, Callable[[Words], Any]] = {
    "fault": _fault,
    "clear": _clear,
    "interrupt": _interrupt,
    "rebalance": _rebalance,
    "kill": _kill,
    "forget": _forget,
    "stick": _stick,
    "age": _age,
    "set": _set,
    "corrupt": _corrupt,
    "confirm": _confirm,
    "state": _state,
    "user": _user,
    "judge": lambda _: None,
}


def answer(verb: str, raw: bytes, peer: str, calls: list[Words]) -> Answer:
    """Runs one verb. `address` is what a service on the internet would say of the caller."""
    if verb == "address":
        return 200, [("Content-Type", "text/plain")], f"{LAB.address or peer}\n".encode()
    run = _VERBS.get(verb)
    if run is None:
        return _json(404, {"error": f"no verb {verb}; there are {', '.join(_VERBS)}"})
    try:
        words = json.loads(raw or b"{}")
        result = _judge(words, calls) if verb == "judge" else run(words)
    except (KeyError, ValueError, TypeError) as wrong:
        return _json(400, {"error": f"{verb}: {wrong!r}"})
    if result is None and verb == "state":
        with LOCK:
            machines = {key: machine.describe() for key, machine in MACHINES.items()}
            since = int(words.get("since", 0))
            result = {
                "calls": calls[since:],
                "faults": faults.listing(),
                "machines": machines,
                "complaints": LAB.complaints,
            }
    return _json(200, result or {})


def _json(status: int, value: Any) -> Answer:
    return status, [("Content-Type", "application/json")], json.dumps(value).encode()
