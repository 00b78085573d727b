"""What every part shares: the settings of this run, the one lock, logging and threads."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Settings:
    """The command line (`__main__.py` has the help texts), and what a control call may change."""

    image: Path = Path("/nonexistent")
    state: Path = Path("/nonexistent")
    machines: str = "none"
    port: int = 0
    net: str = "127.0.1"
    memory: int = 1024
    disk: str = "nvme"
    pending: float = 0.5
    grace: float = 15.0
    check_model: bool = False
    # Seconds in which DescribeInstances does not see a new instance yet.
    lag: float = 0.0
    # How long a key sent through EC2 Instance Connect opens the door.
    key_seconds: float = 60.0
    # What GET /lab/address answers instead of the caller's own address.
    address: str = ""
    # The most instances or volumes that one answer lists, whatever was asked for; 0: as many as were.
    page: int = 0
    # A volume whose bytes new blank ones begin with: what a workspace of an earlier session is.
    seed: str = ""
    # Seconds from a snapshot's making to its completion.
    snapshot_seconds: float = 0.0
    # How long the token of a snapshot's block is good.
    token_seconds: float = 7 * 86400.0
    # Quota code -> vCPUs. Generous, so that only tests of quotas meet them.
    quotas: dict[str, float] = field(default_factory=lambda: {"L-1216C47A": 640.0, "L-34B43A08": 640.0})
    # Problems that nobody asked for: hooks that failed, answers that do not fit botocore's model.
    complaints: list[str] = field(default_factory=list)


LAB = Settings()

# Guards moto's state, which its threaded server does not, and the tables of this package.
LOCK = threading.RLock()


def log(*words: Any) -> None:
    """One line to stderr, with the seconds of the monotonic clock."""
    print(f"[{time.monotonic():.3f}]", *words, file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """Logs and keeps what a test should see even if it did not look."""
    log(text)
    LAB.complaints.append(text)


def later(work: Callable[..., Any], *arguments: Any) -> threading.Thread:
    """Runs `work` in a thread that does not keep the lab from ending."""
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()
    return thread
