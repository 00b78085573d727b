"""What a call asks of IAM: each action with each resource it touches, and what conditions may look at.

After AWS's Service Authorization Reference, for the calls that `remote` makes and those that its policies speak of.
A call that is not here asks for `unknown`, which no policy allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.ec2.models import ec2_backends

from .images import PARAMETERS
from .services import Call

Ask = dict[str, Any]
_ASKS: dict[str, Callable[[Call], Iterator[Ask]]] = {}
# EC2's form has a singular for each resource that a call names.
_TO_ONE = {
    "TerminateInstances": ("instance", "InstanceId."),
    "StartInstances": ("instance", "InstanceId."),
    "StopInstances": ("instance", "InstanceId."),
    "RebootInstances": ("instance", "InstanceId."),
    "GetConsoleOutput": ("instance", "InstanceId"),
    "DeleteVolume": ("volume", "VolumeId"),
    "DeleteSnapshot": ("snapshot", "SnapshotId"),
    "ModifyVolume": ("volume", "VolumeId"),
    "AuthorizeSecurityGroupIngress": ("security-group", "GroupId"),
    "RevokeSecurityGroupIngress": ("security-group", "GroupId"),
    "DeleteSecurityGroup": ("security-group", "GroupId"),
}
# What takes no resource: `*` alone covers it.
_LOOKS = {
    "ec2": [
        "DescribeInstances",
        "DescribeInstanceTypes",
        "DescribeVolumes",
        "DescribeVolumesModifications",
        "DescribeSnapshots",
        "DescribeSubnets",
        "DescribeRouteTables",
        "DescribeSecurityGroups",
        "DescribeRegions",
        "DescribeSpotPriceHistory",
    ],
    "pricing": ["GetProducts"],
    "servicequotas": ["GetServiceQuota"],
    "sts": ["DecodeAuthorizationMessage"],
}
_KINDS = {"i": "instance", "vol": "volume", "snap": "snapshot", "sg": "security-group", "sir": "spot-instances-request"}


def asks(call: Call) -> list[Ask]:
    """All that has to be allowed for this call."""
    # Needs no permission, and cannot be denied.
    if (call.service, call.action) == ("sts", "GetCallerIdentity"):
        return []
    found = _ASKS.get(f"{call.service}:{call.action}")
    if found is None:
        return [{"action": f"{call.service}:{call.action}", "resource": "*", "context": {}, "unknown": True}]
    return list(found(call))


def _of(*names: str) -> Callable[[Callable[[Call], Iterator[Ask]]], Callable[[Call], Iterator[Ask]]]:
    def keep(function: Callable[[Call], Iterator[Ask]]) -> Callable[[Call], Iterator[Ask]]:
        _ASKS.update(dict.fromkeys(names, function))
        return function

    return keep


def _ask(action: str, resource: str = "*", **context: Any) -> Ask:
    return {"action": action, "resource": resource, "context": context.get("context", {})}


def _arn(call: Call, kind: str, name: str) -> str:
    # These belong to nobody in an ARN, whoever made them.
    account = "" if kind in ("image", "snapshot") else ACCOUNT
    return f"arn:aws:ec2:{call.region}:{account}:{kind}/{name}"


def _listed(call: Call, prefix: str) -> list[str]:
    return [value for key, value in call.form.items() if key.startswith(prefix)]


def _tags_there(call: Call, name: str) -> dict[str, Any]:
    tags = ec2_backends[ACCOUNT][call.region].tags.get(name, {})
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}


def _tags_asked(tags: dict[str, str]) -> dict[str, Any]:
    return {f"aws:RequestTag/{key}": value for key, value in tags.items()} | ({"aws:TagKeys": list(tags)} if tags else {})


def _tags_in(form: dict[str, str], prefix: str) -> dict[str, str]:
    """`PREFIX.1.Key`, `PREFIX.1.Value`."""
    keys = {key: value for key, value in form.items() if key.startswith(prefix + ".") and key.endswith(".Key")}
    return {value: form.get(key[:-3] + "Value", "") for key, value in keys.items()}


def _at_birth(call: Call) -> tuple[dict[str, dict[str, str]], list[Ask]]:
    """The tags by kind of resource, and the asks for setting them."""
    by_kind: dict[str, dict[str, str]] = {}
    number = 1
    while kind := call.form.get(f"TagSpecification.{number}.ResourceType"):
        by_kind[kind] = _tags_in(call.form, f"TagSpecification.{number}.Tag")
        number += 1
    wanted = [
        _ask("ec2:CreateTags", _arn(call, kind, "*"), context={"ec2:CreateAction": call.action, **_tags_asked(tags)})
        for kind, tags in by_kind.items()
    ]
    return by_kind, wanted


for _service, _names in _LOOKS.items():
    for _name in _names:
        _ASKS[f"{_service}:{_name}"] = lambda call: iter([_ask(f"{call.service}:{call.action}")])


@_of(*(f"ec2:{name}" for name in _TO_ONE))
def _(call: Call) -> Iterator[Ask]:
    kind, prefix = _TO_ONE[call.action]
    for name in _listed(call, prefix):
        yield _ask(f"ec2:{call.action}", _arn(call, kind, name), context=_tags_there(call, name))


@_of("ec2:AttachVolume", "ec2:DetachVolume")
def _(call: Call) -> Iterator[Ask]:
    volume = call.form["VolumeId"]
    yield _ask(f"ec2:{call.action}", _arn(call, "volume", volume), context=_tags_there(call, volume))
    # A volume that is detached need not say from where.
    if instance := call.form.get("InstanceId") or _holder(call, volume):
        yield _ask(f"ec2:{call.action}", _arn(call, "instance", instance), context=_tags_there(call, instance))


def _holder(call: Call, volume: str) -> str | None:
    found = ec2_backends[ACCOUNT][call.region].volumes.get(volume)
    return found.attachment.instance.id if found and found.attachment else None


@_of("ec2:CreateVolume")
def _(call: Call) -> Iterator[Ask]:
    by_kind, births = _at_birth(call)
    yield _ask("ec2:CreateVolume", _arn(call, "volume", "*"), context=_tags_asked(by_kind.get("volume", {})))
    if snapshot := call.form.get("SnapshotId"):
        yield _ask("ec2:CreateVolume", _arn(call, "snapshot", snapshot), context=_tags_there(call, snapshot))
    yield from births


@_of("ebs:StartSnapshot")
def _(call: Call) -> Iterator[Ask]:
    tags = _tags_asked({tag["Key"]: tag["Value"] for tag in call.body.get("Tags", [])})
    yield _ask("ebs:StartSnapshot", _arn(call, "snapshot", "*"), context=tags)
    if tags:
        born = {"ec2:CreateAction": "StartSnapshot", **tags}
        yield _ask("ec2:CreateTags", _arn(call, "snapshot", "*"), context=born)


@_of(*(f"ebs:{name}" for name in ("ListSnapshotBlocks", "GetSnapshotBlock", "PutSnapshotBlock", "CompleteSnapshot")))
def _(call: Call) -> Iterator[Ask]:
    name = call.body["SnapshotId"]
    yield _ask(f"ebs:{call.action}", _arn(call, "snapshot", name), context=_tags_there(call, name))


@_of("ebs:ListChangedBlocks")
def _(call: Call) -> Iterator[Ask]:
    for name in (call.body.get("FirstSnapshotId"), call.body["SecondSnapshotId"]):
        if name:
            yield _ask("ebs:ListChangedBlocks", _arn(call, "snapshot", name), context=_tags_there(call, name))


@_of("ec2:CreateSnapshot")
def _(call: Call) -> Iterator[Ask]:
    name = call.form["VolumeId"]
    yield _ask("ec2:CreateSnapshot", _arn(call, "volume", name), context=_tags_there(call, name))
    by_kind, births = _at_birth(call)
    yield _ask("ec2:CreateSnapshot", _arn(call, "snapshot", "*"), context=_tags_asked(by_kind.get("snapshot", {})))
    yield from births


@_of("ec2:ModifyInstanceAttribute")
def _(call: Call) -> Iterator[Ask]:
    name = call.form["InstanceId"]
    yield _ask("ec2:ModifyInstanceAttribute", _arn(call, "instance", name), context=_tags_there(call, name))
    for device in (value for key, value in call.form.items() if key.endswith(".DeviceName")):
        for volume in _attached(call, name, device):
            yield _ask("ec2:ModifyInstanceAttribute", _arn(call, "volume", volume), context=_tags_there(call, volume))


def _attached(call: Call, instance: str, device: str) -> list[str]:
    for found in ec2_backends[ACCOUNT][call.region].all_instances():
        if found.id == instance and device in found.block_device_mapping:
            return [found.block_device_mapping[device].volume_id]
    return []


@_of("ec2:RunInstances")
def _(call: Call) -> Iterator[Ask]:
    form = call.form
    by_kind, births = _at_birth(call)

    def run(kind: str, name: str = "*", **context: Any) -> Ask:
        return _ask("ec2:RunInstances", _arn(call, kind, name), context=context.get("context", {}))

    image = form.get("ImageId", "")
    if parameter := image.partition("resolve:ssm:")[2]:
        owner = "" if parameter.startswith("/aws/service/") else ACCOUNT
        yield _ask("ssm:GetParameters", f"arn:aws:ssm:{call.region}:{owner}:parameter{parameter}")
        image = PARAMETERS.get(parameter, "unknown")
    yield run("image", image)
    tokens = form.get("MetadataOptions.HttpTokens", "optional")
    yield run("instance", context={"ec2:MetadataHttpTokens": tokens, **_tags_asked(by_kind.get("instance", {}))})
    # The root's too, where none is named.
    yield run("volume", context=_tags_asked(by_kind.get("volume", {})))
    yield run("network-interface", context=_tags_asked(by_kind.get("network-interface", {})))
    subnets = [v for k, v in form.items() if k == "SubnetId" or k.startswith("Network") and k.endswith(".SubnetId")]
    yield from (run("subnet", name, context=_tags_there(call, name)) for name in subnets or ["default"])
    groups = [v for k, v in form.items() if "SecurityGroupId." in k]
    yield from (run("security-group", name, context=_tags_there(call, name)) for name in groups or ["default"])
    if form.get("InstanceMarketOptions.MarketType") == "spot":
        yield run("spot-instances-request")
    if key := form.get("KeyName"):
        yield run("key-pair", key)
    profile = [value for key, value in form.items() if key.startswith("IamInstanceProfile.")]
    yield from (_ask("iam:PassRole", name) for name in profile)
    yield from births


@_of("ec2:CreateSecurityGroup")
def _(call: Call) -> Iterator[Ask]:
    by_kind, births = _at_birth(call)
    tags = _tags_asked(by_kind.get("security-group", {}))
    yield _ask("ec2:CreateSecurityGroup", _arn(call, "security-group", "*"), context=tags)
    if vpc := call.form.get("VpcId"):
        yield _ask("ec2:CreateSecurityGroup", _arn(call, "vpc", vpc), context=_tags_there(call, vpc))
    yield from births


@_of("ec2:CreateTags", "ec2:DeleteTags")
def _(call: Call) -> Iterator[Ask]:
    asked = _tags_asked(_tags_in(call.form, "Tag"))
    for name in _listed(call, "ResourceId."):
        kind = _KINDS.get(name.partition("-")[0], "unknown")
        yield _ask(f"ec2:{call.action}", _arn(call, kind, name), context={**_tags_there(call, name), **asked})


@_of("ec2-instance-connect:SendSSHPublicKey")
def _(call: Call) -> Iterator[Ask]:
    name = call.body["InstanceId"]
    context = {"ec2:osuser": call.body["InstanceOSUser"], **_tags_there(call, name)}
    yield _ask("ec2-instance-connect:SendSSHPublicKey", _arn(call, "instance", name), context=context)


@_of("sns:CreateTopic")
def _(call: Call) -> Iterator[Ask]:
    topic = f"arn:aws:sns:{call.region}:{ACCOUNT}:{call.form['Name']}"
    tags = _tags_asked(_tags_in(call.form, "Tags.member"))
    yield _ask("sns:CreateTopic", topic, context=tags)
    if tags:
        yield _ask("sns:TagResource", topic, context=tags)


@_of("sns:SetTopicAttributes", "sns:ListSubscriptionsByTopic", "sns:DeleteTopic", "sns:Subscribe")
def _(call: Call) -> Iterator[Ask]:
    context = {"sns:Protocol": call.form["Protocol"]} if "Protocol" in call.form else {}
    yield _ask(f"sns:{call.action}", call.form["TopicArn"], context=context)


@_of("budgets:DescribeBudget", "budgets:DescribeNotificationsForBudget")
def _(call: Call) -> Iterator[Ask]:
    yield _ask("budgets:ViewBudget", _budget(call, call.body["BudgetName"]))


@_of("budgets:CreateBudget", "budgets:UpdateBudget", "budgets:DeleteBudget")
def _(call: Call) -> Iterator[Ask]:
    named = call.body.get("Budget") or call.body.get("NewBudget") or call.body
    budget = _budget(call, named["BudgetName"])
    tags = _tags_asked({t["Key"]: t["Value"] for t in call.body.get("ResourceTags", [])})
    yield _ask("budgets:ModifyBudget", budget, context=tags)
    if tags:
        yield _ask("budgets:TagResource", budget, context=tags)


def _budget(call: Call, name: str) -> str:
    return f"arn:aws:budgets::{call.body['AccountId']}:budget/{name}"
