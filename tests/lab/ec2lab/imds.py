"""The instance metadata service, one server per machine: who asks is known by the wire, not by what is said.

IMDSv2: PUT for a token, refusals as on EC2. The hop limit means nothing here, there are no hops.
"""

from __future__ import annotations

import base64
import http.server
import json
import os
import socket
import socketserver
import time
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .common import LAB, later
from .disks import root_name

if TYPE_CHECKING:
    from .machine import Machine

# Every machine has a network of its own, so they may share the address; a saved VM fixes it.
MAC = "02:00:00:00:00:01"


def tree(machine: Machine) -> dict[str, Any]:
    """All that can be asked: directories are dicts, files str or bytes."""
    i = machine.inst
    zone = i.availability_zone
    data: dict[str, Any] = {
        "ami-id": i.image_id,
        "ami-launch-index": str(i.ami_launch_index),
        "instance-id": i.id,
        "instance-type": i.instance_type,
        "instance-life-cycle": i.lifecycle or "on-demand",
        "hostname": i.private_dns_name,
        "local-hostname": i.private_dns_name,
        "local-ipv4": i.private_ip,
        "public-ipv4": machine.address,
        "mac": MAC,
        "security-groups": "\n".join(g.name for g in i.security_groups),
        "placement": {"availability-zone": zone, "region": i.region_name},
        "services": {"domain": "amazonaws.com", "partition": "aws"},
        "block-device-mapping": {"ami": root_name(i), "root": root_name(i)},
        "network": {
            "interfaces": {
                "macs": {
                    MAC: {
                        "device-number": "0",
                        "local-ipv4s": i.private_ip,
                        "public-ipv4s": machine.address,
                        "mac": MAC,
                    }
                }
            }
        },
    }
    if key := i.ec2_backend.key_pairs.get(i.key_name):
        line = key.material_public.decode().strip()
        data["public-keys"] = {f"0={i.key_name}": "", "0": {"openssh-key": line}}
    if i.metadata_options.instance_metadata_tags == "enabled":
        data["tags"] = {"instance": {t["key"]: t["value"] for t in i.get_tags()}}
    if notice := machine.spot_notice:
        data["spot"] = {"instance-action": json.dumps(notice), "termination-time": notice["time"]}
    if machine.rebalance:
        data.setdefault("events", {})["recommendations"] = {"rebalance": json.dumps({"noticeTime": machine.rebalance})}
    if keys := active_keys(machine):
        data["managed-ssh-keys"] = {"active-keys": keys}
    document = {
        "accountId": i.owner_id,
        "architecture": i.architecture,
        "availabilityZone": zone,
        "imageId": i.image_id,
        "instanceId": i.id,
        "instanceType": i.instance_type,
        "privateIp": i.private_ip,
        "region": i.region_name,
        "version": "2017-09-30",
    }
    all_: dict[str, Any] = {
        "meta-data": data,
        "dynamic": {"instance-identity": {"document": json.dumps(document)}},
    }
    if i.user_data:
        all_["user-data"] = base64.b64decode(str(i.user_data))
    return all_


def active_keys(machine: Machine) -> dict[str, str]:
    """User -> the keys that EC2 Instance Connect brought within the last minute."""
    oldest = time.monotonic() - LAB.key_seconds
    found: dict[str, str] = {}
    for user, key, _ in (k for k in machine.sent_keys if k[2] > oldest):
        found[user] = found.get(user, "") + key.strip() + "\n"
    return found


class _Handler(http.server.BaseHTTPRequestHandler):
    machine: Machine

    def reply(self, status: int, body: str | bytes = b"") -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass

    def do_PUT(self) -> None:
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or self.machine.inst.metadata_options.http_endpoint != "enabled":
            return self.reply(403)
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return self.reply(400)
        token = base64.urlsafe_b64encode(os.urandom(40)).decode()
        self.machine.tokens[token] = time.monotonic() + int(ttl)
        self.reply(200, token)

    def do_GET(self) -> None:
        options = self.machine.inst.metadata_options
        token = self.headers.get("X-aws-ec2-metadata-token")
        if options.http_endpoint != "enabled":
            return self.reply(403)
        if token is None and options.http_tokens == "required":
            return self.reply(401)
        if token is not None and self.machine.tokens.get(token, 0) < time.monotonic():
            return self.reply(401)
        path = self.path.split("?")[0]
        parts = [urllib.parse.unquote(p) for p in path.split("/") if p]
        node: Any = tree(self.machine)
        # The first part is "latest" or a date: all versions are one here.
        for part in parts[1:]:
            node = node.get(part) if isinstance(node, dict) else None
            if node is None:
                return self.reply(404)
        if isinstance(node, dict):
            # Directories end in a slash; of public-keys only the "0=name" lines are listed.
            listed = (k for k in node if parts[-1:] != ["public-keys"] or "=" in k)
            node = "\n".join(k + ("/" if isinstance(node[k], dict) else "") for k in listed)
        self.reply(200, node)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    request_queue_size = 64

    def get_request(self) -> tuple[socket.socket, Any]:
        return self.socket.accept()[0], ("guest", 0)

    def handle_error(self, *_: Any) -> None:
        """A guest that went away in the middle is nobody's problem."""


def serve(machine: Machine, listener: socket.socket) -> _Server:
    """Answers on a socket that already listens; `shutdown` and `server_close` end it."""
    handler = type("Handler", (_Handler,), {"machine": machine})
    server = _Server(("", 0), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    later(server.serve_forever, 0.1)
    return server


def unix_listener(path: Path) -> socket.socket:
    """A listening Unix socket at `path`."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(64)
    return listener
