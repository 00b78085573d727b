"""Starting programs that end with the lab, and entering another process's network."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# The death signal follows the parent *thread*, so all are started by one that stays.
_STARTER = ThreadPoolExecutor(1)
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


def start(command: list[Any], errors: Path, **more: Any) -> subprocess.Popen[bytes]:
    """Starts a program that is killed when the lab ends, however that ends; its stderr goes to a file."""
    line = ["setpriv", "--pdeathsig", "KILL", *(str(word) for word in command)]
    more.setdefault("stdin", subprocess.DEVNULL)

    def go() -> subprocess.Popen[bytes]:
        with errors.open("ab") as file:
            return subprocess.Popen(line, stderr=file, **more)

    return _STARTER.submit(go).result()


def enter_network(pid: int) -> None:
    """Moves the calling thread into the network of a process."""
    handle = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter the network of process {pid}")
    finally:
        os.close(handle)


def in_network(pid: int, work: Callable[[], T]) -> T:
    """Runs `work` in a thread of its own inside the network of a process. Its sockets stay there."""
    result: list[Any] = []

    def go() -> None:
        try:
            enter_network(pid)
            result.append((work(), None))
        except OSError as error:
            result.append((None, error))

    thread = threading.Thread(target=go)
    thread.start()
    thread.join()
    value, error = result[0]
    if error is not None:
        raise error
    return value


def listen(address: str, port: int) -> socket.socket:
    """A listening TCP socket."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(64)
    return listener
