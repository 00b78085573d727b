"""What an instance's machine can do, whatever it is made of: one object per boot.

`vm.py`, `box.py` and `none.py` are the three kinds; `instances.py` drives them and knows none of them.
"""

from __future__ import annotations

import ipaddress
import itertools
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .common import LAB, log
from .hooks import refuse

T = TypeVar("T")

# Instance id -> its newest machine.
MACHINES: dict[str, Machine] = {}

_HOSTS = itertools.count()
# A wide rule opens only the ports that a test is likely to dial.
_LIKELY = (22, 80, 443, 8080)


class Machine(ABC):
    """One boot of one instance. `inst` is moto's Instance."""

    def __init__(self, inst: Any) -> None:
        self.inst = inst
        self.dir: Path = LAB.state / inst.id
        self.dir.mkdir(exist_ok=True)
        self.address = free_address()
        # IMDS: token -> when it ends; user, key and when it came.
        self.tokens: dict[str, float] = {}
        self.sent_keys: list[tuple[str, str, float]] = []
        self.spot_notice: dict[str, str] | None = None
        self.rebalance: str | None = None
        # Set when somebody outside asked for the end: what to do with the instance then, and why.
        self.on_end: Callable[[Any], Any] | None = None
        self.reason: tuple[str, str] | None = None
        # Its power was cut, at whatever moment.
        self.cut = False
        # The thread that sees it to its end.
        self.life: threading.Thread | None = None

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether it runs (frozen counts)."""

    @abstractmethod
    def boot(self) -> None:
        """Starts it and its metadata service, with its volumes; returns when it runs, not when it is up."""

    @abstractmethod
    def wait(self) -> None:
        """Returns when the machine is off; a reboot from within is not its end."""

    @abstractmethod
    def press_power(self) -> None:
        """Asks the guest to shut down."""

    @abstractmethod
    def cut_power(self) -> None:
        """Ends it at once."""

    @abstractmethod
    def reboot(self) -> None:
        """RebootInstances."""

    @abstractmethod
    def allow(self, rules: list[Rule]) -> None:
        """Makes the open ports what the security groups say."""

    @abstractmethod
    def plug(self, volume: Any) -> None:
        """Attaches a volume; returns when the guest can see it."""

    @abstractmethod
    def unplug(self, volume: Any) -> None:
        """Detaches a volume; returns when the guest no longer has it."""

    @abstractmethod
    def hold(self, yes: bool) -> None:
        """Stops the guest's processors, or lets them run again."""

    @abstractmethod
    def cable(self, plugged: bool) -> None:
        """Pulls the network cable: nothing is refused, nothing arrives."""

    def steady(self, work: Callable[[], T]) -> T:
        """Runs `work` with the guest held: a snapshot is of one moment."""
        if not self.alive:
            return work()
        self.hold(True)
        try:
            return work()
        finally:
            self.hold(False)

    def grown(self, volume: Any) -> None:
        """A volume has become larger while attached."""

    def console(self) -> bytes:
        """What the guest has written to its console."""
        path = self.dir / "console.log"
        return path.read_bytes() if path.exists() else b""

    def describe(self) -> dict[str, Any]:
        """For the control call `state`."""
        return {
            "address": self.address,
            "alive": self.alive,
            "dir": str(self.dir),
            "reason": self.reason and self.reason[0],
            "keys": [(user, key) for user, key, _ in self.sent_keys],
        }


class Rule:
    """One line of a security group: TCP ports `low..=high` from `source`."""

    def __init__(self, low: int, high: int, source: str) -> None:
        self.low, self.high = low, high
        self.source = ipaddress.ip_network(source, strict=False)

    def ports(self) -> set[int]:
        """The ports to listen on for it."""
        if self.high - self.low < 16:
            return set(range(self.low, self.high + 1))
        return {p for p in _LIKELY if self.low <= p <= self.high}

    def covers(self, address: str, port: int) -> bool:
        """Whether a caller at `address` may come in."""
        return self.low <= port <= self.high and ipaddress.ip_address(address) in self.source


def rules_of(inst: Any) -> list[Rule]:
    """The IPv4 TCP rules of all groups of the instance."""
    found = []
    groups = {g.id: g for g in [*inst.security_groups, *inst.nics[0].group_set]}
    for rule in (r for g in groups.values() for r in g.ingress_rules):
        if rule.ip_protocol not in ("tcp", "-1") or not rule.cidr_ipv4:
            continue
        every = rule.ip_protocol == "-1"
        low, high = (0, 65535) if every else (int(rule.from_port), int(rule.to_port))
        found.append(Rule(low, high, rule.cidr_ipv4))
    return found


def free_address() -> str:
    """A loopback address on which port 22 can be bound and no living machine answers."""
    used = {m.address for m in MACHINES.values() if m.inst._state.name != "terminated"}
    for _ in range(240):
        address = f"{LAB.net}.{10 + next(_HOSTS) % 240}"
        if address not in used and can_bind(address):
            return address
    raise refuse("InsufficientFreeAddressesInSubnet", f"no free address in {LAB.net}.0/24")


def can_bind(address: str) -> bool:
    """Whether port 22 there is ours to take; with no machines there is nothing to bind."""
    if LAB.machines == "none":
        return True
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, 22))
            return True
        except OSError as error:
            log(f"{address}:22: {error}")
            return False
