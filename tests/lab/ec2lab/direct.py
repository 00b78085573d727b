"""EBS direct: the blocks of snapshots over HTTP, read from and written to the lab's own files."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.ec2.models import ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot, Volume
from moto.ec2.utils import random_snapshot_id

from . import disks, snapshots
from .common import LAB
from .services import Answer, Call, Refusal, answers
from .snapshots import BLOCK, CORRUPT, NO_VOLUME, Life, checksum, life

_SECRET = os.urandom(16)
_PAGE_SECONDS = 3600.0
_SHA = "SHA256"


def _invalid(reason: str, message: str) -> Refusal:
    return Refusal("ValidationException", message, 400, reason)


def _snapshot(call: Call, name: str) -> Any:
    found = ec2_backends[ACCOUNT][call.region].snapshots.get(name)
    if found is None:
        message = f"The snapshot '{name}' does not exist."
        raise Refusal("ResourceNotFoundException", message, 404, "SNAPSHOT_NOT_FOUND")
    return found


def _complete(call: Call, name: str) -> Any:
    found = _snapshot(call, name)
    if found.status != "completed":
        raise _invalid("INVALID_SNAPSHOT_ID", f"The snapshot '{name}' is {found.status}, not completed.")
    path = disks.find(name)
    if path and path.suffix != ".raw":
        raise _invalid("INVALID_SNAPSHOT_ID", "The lab has no blocks of a root disk's snapshot.")
    return found


def _open(call: Call, name: str) -> tuple[Life, Path]:
    """One that is being written."""
    alive, path = life(_snapshot(call, name)), disks.find(name)
    if alive.put is None or path is None:
        raise _invalid("INVALID_SNAPSHOT_ID", f"The snapshot '{name}' is not one that can be written to.")
    return alive, path


# ------------------------------------------------------------------------------------------- tokens
def _token(seconds: float, *words: Any) -> str:
    text = json.dumps([time.time() + seconds, *words])
    sign = hmac.new(_SECRET, text.encode(), hashlib.sha256).hexdigest()[:16]
    return base64.urlsafe_b64encode(f"{sign}{text}".encode()).decode()


def _words(token: str, reason: str) -> list[Any]:
    """What a token says; one that is not ours or too old is refused."""
    try:
        text = base64.urlsafe_b64decode(token).decode()
        sign, text = text[:16], text[16:]
        if not hmac.compare_digest(sign, hmac.new(_SECRET, text.encode(), hashlib.sha256).hexdigest()[:16]):
            raise ValueError(sign)
        until, *words = json.loads(text)
    except ValueError as wrong:
        raise _invalid(reason, "The token is not valid.") from wrong
    if until < time.time():
        raise _invalid(reason, "The token has expired.")
    return words


def _page(call: Call, what: str, found: Sequence[int]) -> tuple[Sequence[int], str | None]:
    """The part of `found` that is asked for, and the token of the next one."""
    most = call.body.get("MaxResults", 10000)
    if not 100 <= most <= 10000:
        raise _invalid("INVALID_PARAMETER_VALUE", "MaxResults is from 100 to 10000.")
    first = call.body.get("StartingBlockIndex", 0)
    if token := call.body.get("NextToken"):
        of, first = _words(token, "INVALID_PAGE_TOKEN")
        if of != what:
            raise _invalid("INVALID_PAGE_TOKEN", "The token is another list's.")
    rest = [index for index in found if index >= first]
    most = min(most, LAB.page or most)
    more = _token(_PAGE_SECONDS, what, rest[most]) if len(rest) > most else None
    return rest[:most], more


def _listed(name: str, blocks: list[dict[str, Any]], snapshot: Any, more: str | None) -> dict[str, Any]:
    whole = {name: blocks, "VolumeSize": life(snapshot).gib, "BlockSize": BLOCK}
    whole["ExpiryTime"] = time.time() + LAB.token_seconds
    return {**whole, "NextToken": more} if more else whole


# ------------------------------------------------------------------------------------------ reading
@answers("ebs", "ListSnapshotBlocks")
def _(call: Call) -> dict[str, Any]:
    name = call.body["SnapshotId"]
    snapshot = _complete(call, name)
    part, more = _page(call, name, snapshots.blocks(name))
    found = [{"BlockIndex": i, "BlockToken": _token(LAB.token_seconds, name, i)} for i in part]
    return _listed("Blocks", found, snapshot, more)


@answers("ebs", "GetSnapshotBlock")
def _(call: Call) -> Answer:
    name, index = call.body["SnapshotId"], call.body["BlockIndex"]
    _complete(call, name)
    if _words(call.body.get("BlockToken", ""), "INVALID_BLOCK_TOKEN") != [name, index]:
        raise _invalid("INVALID_BLOCK_TOKEN", "The token is another block's.")
    path = disks.find(name)
    assert path
    data = snapshots.read(path, index)
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("x-amz-Data-Length", str(BLOCK)),
        ("x-amz-Checksum", checksum(data)),
        ("x-amz-Checksum-Algorithm", _SHA),
    ]
    if (name, index) in CORRUPT:
        data = bytes([data[0] ^ 1]) + data[1:]
    return 200, headers, data


@answers("ebs", "ListChangedBlocks")
def _(call: Call) -> dict[str, Any]:
    second, first = call.body["SecondSnapshotId"], call.body.get("FirstSnapshotId")
    snapshot, backend = _complete(call, second), ec2_backends[ACCOUNT][call.region]
    have = {name: set(snapshots.blocks(name)) for name in (first, second) if name}
    if first:
        _complete(call, first)
        if not snapshots.lineage(backend, first) & snapshots.lineage(backend, second):
            raise _invalid("UNRELATED_SNAPSHOTS", "The snapshots are not of one volume.")
    before = have.get(first, set())

    def same(index: int) -> bool:
        paths = disks.find(first), disks.find(second)
        in_both = index in before and index in have[second] and all(paths)
        return in_both and snapshots.read(paths[0], index) == snapshots.read(paths[1], index)

    changed = [index for index in sorted(before | have[second]) if not same(index)]
    part, more = _page(call, f"{first} {second}", changed)
    found = []
    for index in part:
        told = {"BlockIndex": index}
        for key, name in (("FirstBlockToken", first), ("SecondBlockToken", second)):
            if name and index in have[name]:
                told[key] = _token(LAB.token_seconds, name, index)
        found.append(told)
    return _listed("ChangedBlocks", found, snapshot, more)


# ------------------------------------------------------------------------------------------ writing
@answers("ebs", "StartSnapshot")
def _(call: Call) -> Answer:
    body, backend = call.body, ec2_backends[ACCOUNT][call.region]
    gib, parent = int(body["VolumeSize"]), body.get("ParentSnapshotId")
    name = random_snapshot_id()
    snapshot = Snapshot(backend, name, Volume(backend, NO_VOLUME, gib, None), body.get("Description", ""))
    snapshot.lab_life, snapshot.lab_parent = Life(gib, LAB.snapshot_seconds), parent
    snapshot.lab_life.put = {}
    path = disks.directory() / f"{name}.raw"
    if parent and _complete(call, parent) and (saved := disks.find(parent)):
        disks.copy(saved, name)
    else:
        path.touch()
    disks.grow(path, gib)
    backend.snapshots[name] = snapshot
    snapshot.add_tags({tag["Key"]: tag["Value"] for tag in body.get("Tags", [])})
    told = {
        "SnapshotId": name,
        "OwnerId": ACCOUNT,
        "Status": "pending",
        "StartTime": time.time(),
        "VolumeSize": gib,
        "BlockSize": BLOCK,
        "Tags": body.get("Tags", []),
    }
    return 201, [("Content-Type", "application/json")], json.dumps(told).encode()


@answers("ebs", "PutSnapshotBlock")
def _(call: Call) -> Answer:
    index = call.body["BlockIndex"]
    alive, path = _open(call, call.body["SnapshotId"])
    if len(call.raw) != BLOCK or call.body["DataLength"] != BLOCK:
        raise _invalid("INVALID_BLOCK", f"A block has {BLOCK} bytes.")
    if not 0 <= index < (alive.gib << 30) // BLOCK:
        raise _invalid("INVALID_PARAMETER_VALUE", f"There is no block {index} in {alive.gib} GiB.")
    if (call.body["ChecksumAlgorithm"], call.body["Checksum"]) != (_SHA, checksum(call.raw)):
        raise _invalid("INVALID_BLOCK", "The checksum is not that of the data.")
    snapshots.write(path, index, call.raw)
    assert alive.put is not None
    alive.put[index] = hashlib.sha256(call.raw).digest()
    headers = [("x-amz-Checksum", call.body["Checksum"]), ("x-amz-Checksum-Algorithm", _SHA)]
    return 201, headers, b""


@answers("ebs", "CompleteSnapshot")
def _(call: Call) -> Answer:
    body = call.body
    alive, _ = _open(call, body["SnapshotId"])
    assert alive.put is not None
    if body["ChangedBlocksCount"] != len(alive.put):
        raise _invalid("INVALID_PARAMETER_VALUE", f"{len(alive.put)} blocks were put, not what ChangedBlocksCount says.")
    if given := body.get("Checksum"):
        # LINEAR: of the blocks' checksums in the order of the blocks.
        whole = checksum(b"".join(alive.put[i] for i in sorted(alive.put)))
        if (body.get("ChecksumAggregationMethod"), given) != ("LINEAR", whole):
            raise _invalid("INVALID_PARAMETER_VALUE", "The checksum is not that of the blocks.")
    alive.put, alive.begun = None, time.monotonic()
    status = "completed" if alive.share >= 1 else "pending"
    return 202, [("Content-Type", "application/json")], json.dumps({"Status": status}).encode()


def corrupt(name: str, index: int) -> None:
    """From now on this block is not what its checksum says."""
    CORRUPT.add((name, index))
