"""Faults that a test asks for: which call, the how-manieth of its kind, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from .services import Call

# before: an error instead of the effect. after: the effect, then an error. drop: the effect, then the
# connection ends without an answer. refuse: the connection ends, no effect. delay: only late.
KINDS = ("before", "after", "drop", "refuse", "delay")


@dataclass
class Fault:
    """One fault; `count` of 0 is for ever."""

    action: str
    kind: str = "before"
    service: str = ""
    # Only calls whose path or body has this in it.
    match: str = ""
    # The first so many that match pass unharmed.
    skip: int = 0
    count: int = 1
    # Seconds before anything happens; with every kind.
    delay: float = 0.0
    # Seconds between the effect and its answer, which is then an old one.
    late: float = 0.0
    code: str = "InternalError"
    message: str = "injected"
    status: int = 500
    seen: int = 0
    struck: int = 0

    def strikes(self, call: Call) -> bool:
        """Whether it strikes this call; counts it."""
        if self.action not in ("*", call.action) or self.service not in ("", call.service):
            return False
        if self.match and self.match.encode() not in call.raw and self.match not in call.path:
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.count and self.struck >= self.count):
            return False
        self.struck += 1
        return True


_FAULTS: list[Fault] = []


def add(words: dict[str, Any]) -> None:
    """From a control call; `nth` is another word for skipping all before."""
    words = dict(words)
    if nth := words.pop("nth", None):
        words["skip"] = int(nth) - 1
    unknown = words.keys() - {f.name for f in fields(Fault)}
    if unknown:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    fault = Fault(**words)
    if fault.kind not in KINDS:
        raise ValueError(f"no such kind of fault: {fault.kind}; there are {', '.join(KINDS)}")
    _FAULTS.append(fault)


def clear() -> None:
    """Forgets them all."""
    _FAULTS.clear()


def strike(call: Call) -> Fault | None:
    """The first fault that strikes this call."""
    return next((fault for fault in _FAULTS if fault.strikes(call)), None)


def listing() -> list[dict[str, Any]]:
    """For the control call `state`."""
    return [dict(vars(fault)) for fault in _FAULTS]
