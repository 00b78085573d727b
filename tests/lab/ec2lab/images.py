"""The machine images that this EC2 offers, and the SSM parameters that name them.

Imported before moto, by the package itself: moto reads its images at import, and its own list of 600, each with a volume,
costs seconds. Whatever its name, every image boots the lab's Debian 12 (login user `admin`).
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

_KINDS = {
    # name: (owner, SSM parameter per architecture, root device)
    "debian-12": (
        "136693071363",
        "/aws/service/debian/release/12/latest/{}",
        {"x86_64": "amd64", "arm64": "arm64"},
        "/dev/xvda",
    ),
    "ubuntu-noble-24.04": (
        "099720109477",
        "/aws/service/canonical/ubuntu/server/24.04/stable/current/{}/hvm/ebs-gp3/ami-id",
        {"x86_64": "amd64", "arm64": "arm64"},
        "/dev/sda1",
    ),
    "al2023": (
        "137112412989",
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{}",
        {"x86_64": "x86_64", "arm64": "arm64"},
        "/dev/xvda",
    ),
}


def _all() -> tuple[list[dict[str, Any]], dict[str, str]]:
    images, parameters = [], {}
    for number, (kind, (owner, path, words, root)) in enumerate(_KINDS.items(), 1):
        for bits, (architecture, word) in enumerate(words.items()):
            name = f"{kind}-{word}-20260101"
            ami = f"ami-0{number}{bits}ab0000000000001"[:21]
            parameters[path.format(word)] = ami
            images.append(
                {
                    "ami_id": ami,
                    "name": name,
                    "description": f"{kind} {word} (lab)",
                    "owner_id": owner,
                    "image_location": f"amazon/{name}",
                    "architecture": architecture,
                    "root_device_name": root,
                    "root_device_type": "ebs",
                    "virtualization_type": "hvm",
                    "hypervisor": "xen",
                    "public": True,
                    "state": "available",
                    "creation_date": "2026-01-01T00:00:00.000Z",
                }
            )
    return images, parameters


IMAGES, PARAMETERS = _all()

with tempfile.NamedTemporaryFile("w", suffix=".json") as _file:
    json.dump(IMAGES, _file)
    _file.flush()
    os.environ.update(
        MOTO_AMIS_PATH=_file.name,
        MOTO_ENABLE_AMI_VALIDATION="true",
        MOTO_ENABLE_KEYPAIR_VALIDATION="true",
        MOTO_EC2_ENABLE_INSTANCE_TYPE_VALIDATION="true",
    )
    import moto.ec2.models.amis  # noqa: F401
