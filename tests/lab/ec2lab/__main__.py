"""python -m ec2lab: serves until stdin closes, then ends with every machine it has started.

Prints one line of JSON when it can be used: endpoint, pid, kind of machines.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from .common import LAB, later


def arguments() -> tuple[argparse.Namespace, argparse.ArgumentParser]:
    """The command line."""
    parser = argparse.ArgumentParser(prog="ec2lab", description=__doc__)
    parser.add_argument("--machines", choices=("vm", "box", "none"), default="none")
    parser.add_argument("--image", type=Path, help="what tests/lab/image/build.sh has made")
    parser.add_argument("--state", type=Path, help="a directory for disks and logs (default: one that is removed)")
    parser.add_argument("--port", type=int, default=0, help="of the API, on 127.0.0.1")
    parser.add_argument("--net", default="", help="first three bytes of public addresses (default: free ones)")
    parser.add_argument("--memory", type=int, default=1024, help="MiB of a VM; a template has it fixed")
    parser.add_argument(
        "--disk", default="nvme", help="data volumes: nvme as on EC2, or virtio-blk-pci, which can grow"
    )
    parser.add_argument("--pending", type=float, default=0.5, help="seconds in state pending, at least")
    parser.add_argument("--grace", type=float, default=15, help="seconds from the power button to the plug")
    parser.add_argument("--check-model", action="store_true", help="complain of what botocore's models do not know")
    parser.add_argument("--make-template", action="store_true", help="make the saved machine if needed, and end")
    parser.add_argument("--by-hand", action="store_true", help="print lines for a shell; end at Ctrl-C")
    return parser.parse_args(), parser


def free_net() -> str:
    """`127.0.N` that no other lab has: this one holds a port there."""
    import socket

    for number in range(1, 255):
        holder = socket.socket()
        try:
            holder.bind((f"127.0.{number}.1", 7))
            holder.listen(1)
        except OSError:
            holder.close()
            continue
        _HELD.append(holder)
        return f"127.0.{number}"
    raise SystemExit("lab: no free 127.0.N")


_HELD: list[object] = []

BY_HAND = """\
# An EC2 on this machine: {machines}; disks and logs in {state}. Ctrl-C ends it and all of its machines.
# In another terminal:
export AWS_ENDPOINT_URL={endpoint} AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export AWS_ACCESS_KEY_ID=lab AWS_SECRET_ACCESS_KEY=lab
# What has been called, and what to break:
curl -s {endpoint}/lab/state -d '{{}}'
curl -s {endpoint}/lab/fault -d '{{"action": "RunInstances", "kind": "before", "code": "InsufficientInstanceCapacity"}}'\
"""


def main() -> None:
    given, parser = arguments()
    for name, value in vars(given).items():
        if hasattr(LAB, name) and value is not None:
            setattr(LAB, name, value)
    if given.image:
        LAB.image = given.image.resolve()
    elif given.machines != "none":
        parser.error("--image is needed for machines")
    if given.make_template:
        from . import template

        return template.ensure()
    made = None if given.state else Path(tempfile.mkdtemp(prefix="remote-lab-"))
    LAB.state = Path(given.state or str(made)).resolve()
    (LAB.state / "disks").mkdir(parents=True, exist_ok=True)
    LAB.net = given.net or (free_net() if LAB.machines != "none" else "127.0.1")
    try:
        serve(given.by_hand)
    finally:
        if made:
            shutil.rmtree(made, ignore_errors=True)


def serve(by_hand: bool) -> None:
    """From the first request to the end of stdin."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    from . import direct, front, groups, volumes  # noqa: F401
    from .machine import MACHINES

    class Handler(MotoRequestHandler):
        """Without a line in the log per request."""

        protocol_version = "HTTP/1.1"

        def log(self, *_: object) -> None:
            pass

    moto = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", LAB.port, front.application(moto), True, request_handler=Handler)
    LAB.port = server.server_address[1]
    later(server.serve_forever)
    hello = {
        "endpoint": f"http://127.0.0.1:{LAB.port}",
        "machines": LAB.machines,
        "net": LAB.net,
        "pid": os.getpid(),
        "state": str(LAB.state),
    }
    print(BY_HAND.format(**hello) if by_hand else json.dumps(hello), flush=True)
    # A polite kill ends its machines as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while by_hand:
            time.sleep(3600)
        sys.stdin.read()
    except KeyboardInterrupt:
        print("ending", file=sys.stderr)
    machines = [*MACHINES.values()]
    for machine in machines:
        machine.on_end = machine.on_end or (lambda _: None)
        machine.cut_power()
    deadline = time.monotonic() + 10
    for machine in machines:
        if machine.life:
            machine.life.join(max(0.0, deadline - time.monotonic()))
    if LAB.machines == "box":
        from .box import sweep

        sweep()


if __name__ == "__main__":
    main()
