"""Service quotas of EC2's vCPUs: told by the Service Quotas API, enforced by RunInstances."""

from __future__ import annotations

from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES

from .common import LAB
from .hooks import refuse
from .services import Call, Refusal, answers

ON_DEMAND, SPOT = "L-1216C47A", "L-34B43A08"
_NAMES = {
    ON_DEMAND: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    SPOT: "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
}


def _vcpus(type_: str) -> int:
    if type_[:1] not in "acdhimrtz":
        return 0
    return INSTANCE_TYPES.get(type_, {}).get("VCpuInfo", {}).get("DefaultVCpus", 0)


def check(backend: Any, type_: str, count: int, spot: bool) -> None:
    """Refuses a launch that would go beyond the quota."""
    states = ("pending", "running")
    running = [i for i in backend.all_instances() if i.state in states and (i.lifecycle == "spot") == spot]
    used = sum(_vcpus(i.instance_type) for i in running)
    limit = LAB.quotas[SPOT if spot else ON_DEMAND]
    if used + _vcpus(type_) * count <= limit:
        return
    if spot:
        raise refuse("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
    raise refuse(
        "VcpuLimitExceeded",
        f"You have requested more vCPU capacity than your current vCPU limit of {limit:g} allows for the"
        " instance bucket that the specified instance type belongs to.",
    )


def _quota(code: str, region: str) -> dict[str, Any]:
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region}:123456789012:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": _NAMES[code],
        "Value": LAB.quotas[code],
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


@answers("servicequotas", "GetServiceQuota")
def _(call: Call) -> dict[str, Any]:
    code = call.body.get("QuotaCode", "")
    if call.body.get("ServiceCode") != "ec2" or code not in _NAMES:
        raise Refusal("NoSuchResourceException", "The request failed because the specified quota does not exist")
    return {"Quota": _quota(code, call.region)}


@answers("servicequotas", "ListServiceQuotas")
def _(call: Call) -> dict[str, Any]:
    if call.body.get("ServiceCode") != "ec2":
        raise Refusal("NoSuchResourceException", "The request failed because the specified service does not exist")
    return {"Quotas": [_quota(code, call.region) for code in _NAMES]}
