"""Ports that are handed on: from a box's public address to its inside, or from its inside to the API.

A connection that the rules do not cover is reset, as is one that the other side refuses.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

from .common import later

_RESET = struct.pack("ii", 1, 0)


class Wire:
    """A cable that can be pulled: while it is out, bytes wait."""

    def __init__(self) -> None:
        self._in = threading.Event()
        self._in.set()

    def plug(self, plugged: bool) -> None:
        """Puts the cable in or pulls it."""
        if plugged:
            self._in.set()
        else:
            self._in.clear()

    def wait(self) -> None:
        """Returns while, or as soon as, the cable is in."""
        self._in.wait()


class Forward:
    """Accepts on a listening socket and joins each connection to one that `dial` makes."""

    def __init__(
        self,
        listener: socket.socket,
        dial: Callable[[], socket.socket],
        admits: Callable[[str], bool],
        wire: Wire,
    ) -> None:
        self._listener, self._dial, self._admits, self._wire = listener, dial, admits, wire
        self._open: set[socket.socket] = set()
        later(self._accept)

    def close(self, connections: bool) -> None:
        """Stops listening; with `connections`, ends those that are open too (a rule's end leaves them)."""
        # close() alone does not wake the thread in accept().
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for end in [*self._open] if connections else []:
            _reset(end)

    def _accept(self) -> None:
        while True:
            try:
                caller, peer = self._listener.accept()
            except OSError:
                return
            later(self._join, caller, peer[0])

    def _join(self, caller: socket.socket, peer: str) -> None:
        # What knocks while the cable is out arrives when it is in, and finds the rules of then.
        self._wire.wait()
        if not self._admits(peer):
            return _reset(caller)
        try:
            inside = self._dial()
        except OSError:
            return _reset(caller)
        # Dialling had a limit; silence has none.
        inside.settimeout(None)
        ends = {caller, inside}
        self._open |= ends
        for end in ends:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = later(self._pump, inside, caller)
        self._pump(caller, inside)
        back.join()
        self._open -= ends
        for end in ends:
            end.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(262144):
                self._wire.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, target):
                _reset(end)


def _reset(end: socket.socket) -> None:
    """Closes so that the other side sees a reset, not an end."""
    try:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    end.close()
