"""No machine at all: an instance that is only its states. For tests of API calls, at no cost."""

from __future__ import annotations

import threading
from typing import Any

from .machine import Machine, Rule


class NoMachine(Machine):
    """Runs until told to end."""

    def __init__(self, inst: Any) -> None:
        super().__init__(inst)
        self._ended = threading.Event()
        self._booted = False

    @property
    def alive(self) -> bool:
        return self._booted and not self._ended.is_set()

    def boot(self) -> None:
        self._booted = True

    def wait(self) -> None:
        self._ended.wait()

    def press_power(self) -> None:
        self._ended.set()

    def cut_power(self) -> None:
        self._ended.set()

    def reboot(self) -> None:
        pass

    def allow(self, rules: list[Rule]) -> None:
        pass

    def plug(self, volume: Any) -> None:
        pass

    def unplug(self, volume: Any) -> None:
        pass

    def hold(self, yes: bool) -> None:
        pass

    def cable(self, plugged: bool) -> None:
        pass
