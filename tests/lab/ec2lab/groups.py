"""Security groups: their rules open and close the machines' ports, and one in use cannot be deleted."""

from __future__ import annotations

from typing import Any

from moto.ec2.models.instances import InstanceBackend
from moto.ec2.models.security_groups import SecurityGroupBackend

from .hooks import hook, refuse
from .machine import MACHINES, rules_of


def _apply() -> None:
    for machine in [*MACHINES.values()]:
        if machine.inst._state.name in ("pending", "running"):
            machine.allow(rules_of(machine.inst))


def _changes(cls: type, name: str) -> None:
    @hook(cls, name)
    def _(original: Any, *arguments: Any, **named: Any) -> Any:
        result = original(*arguments, **named)
        _apply()
        return result


for _name in ("authorize_security_group_ingress", "revoke_security_group_ingress", "modify_security_group_rules"):
    if hasattr(SecurityGroupBackend, _name):
        _changes(SecurityGroupBackend, _name)
_changes(InstanceBackend, "modify_instance_security_groups")


@hook(SecurityGroupBackend, "delete_security_group")
def _(original: Any, backend: Any, name: Any = None, group_id: Any = None, *more: Any, **named: Any) -> Any:
    for machine in MACHINES.values():
        inst = machine.inst
        groups = [*inst.security_groups, *inst.nics[0].group_set]
        used = {g.id for g in groups} | {g.name for g in groups}
        if inst._state.name != "terminated" and used & {name, group_id}:
            raise refuse("DependencyViolation", f"resource {group_id or name} has a dependent object")
    return original(backend, name, group_id, *more, **named)
