"""Prices that look like AWS's: on demand by the Price List's GetProducts, spot by DescribeSpotPriceHistory.

From a small table and rules; near the truth of 2026 but not it. Beside each product that a client wants lie
the ones that it must not take (dedicated tenancy, unused reservations), as in the real list.
"""

from __future__ import annotations

import datetime
import json
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, INSTANCE_TYPES
from moto.ec2.responses.spot_instances import SpotInstances

from .hooks import hook
from .services import Call, answers

# $/h of a family's `large` in us-east-1, Linux.
_LARGE = {
    "t3": 0.0832, "t3a": 0.0752, "t4g": 0.0672,
    "m5": 0.096, "m6i": 0.096, "m6a": 0.0864, "m6g": 0.077, "m7i": 0.1008, "m7a": 0.11592, "m7g": 0.0816,
    "c5": 0.085, "c6i": 0.085, "c6g": 0.068, "c7i": 0.08925, "c7a": 0.10264, "c7g": 0.0725,
    "r5": 0.126, "r6i": 0.126, "r6g": 0.1008, "r7i": 0.1323, "r7g": 0.1071,
}  # fmt: skip
_SIZE = {"nano": 1 / 16, "micro": 1 / 8, "small": 1 / 4, "medium": 1 / 2, "large": 1.0, "xlarge": 2.0}
_REGIONS = {
    "us-east-1": ("US East (N. Virginia)", 1.0),
    "us-east-2": ("US East (Ohio)", 1.0),
    "us-west-2": ("US West (Oregon)", 1.0),
    "ca-central-1": ("Canada (Central)", 1.11),
    "eu-west-1": ("EU (Ireland)", 1.115),
    "eu-central-1": ("EU (Frankfurt)", 1.20),
    "eu-north-1": ("EU (Stockholm)", 1.06),
    "ap-northeast-1": ("Asia Pacific (Tokyo)", 1.29),
    "ap-southeast-1": ("Asia Pacific (Singapore)", 1.25),
    "ap-south-1": ("Asia Pacific (Mumbai)", 1.052),
}
# What spot costs of the on-demand price, by the zone's letter: the zone alone is worth a third.
_SPOT = {"a": 0.36, "b": 0.31, "c": 0.46, "d": 0.34, "e": 0.40, "f": 0.38}


def on_demand(type_: str, region: str) -> float | None:
    """$/h, or None for a type or region that is not in the table."""
    family, _, size = type_.partition(".")
    if family not in _LARGE or region not in _REGIONS:
        return None
    times = _SIZE.get(size)
    if times is None:
        number = size.removesuffix("xlarge")
        if not number.isdigit():
            return None
        times = 2.0 * int(number)
    return round(_LARGE[family] * times * _REGIONS[region][1], 6)


def spot(type_: str, zone: str) -> float:
    """$/h in a zone; a cent for types that the table lacks."""
    price = on_demand(type_, zone[:-1])
    return round(price * _SPOT.get(zone[-1], 0.4), 4) if price else 0.01


def _product(attributes: dict[str, str], family: str, unit: str, dollars: float) -> dict[str, Any]:
    sku = f"{abs(hash((family, *sorted(attributes.items())))):016X}"[:16]
    term = f"{sku}.JRTCKXETXF"
    rate = f"{term}.6YS6EN2CT7"
    dimension = {
        "rateCode": rate,
        "unit": unit,
        "beginRange": "0",
        "endRange": "Inf",
        "description": f"${dollars} per {unit}",
        "appliesTo": [],
        "pricePerUnit": {"USD": f"{dollars:.10f}"},
    }
    offer = {
        "offerTermCode": "JRTCKXETXF",
        "sku": sku,
        "effectiveDate": "2026-01-01T00:00:00Z",
        "termAttributes": {},
        "priceDimensions": {rate: dimension},
    }
    return {
        "product": {"productFamily": family, "attributes": attributes, "sku": sku},
        "serviceCode": attributes["servicecode"],
        "terms": {"OnDemand": {term: offer}},
        "version": "20260101000000",
        "publicationDate": "2026-01-01T00:00:00Z",
    }


def _computers(region: str) -> list[dict[str, Any]]:
    place = {"location": _REGIONS[region][0], "locationType": "AWS Region", "regionCode": region}
    found = []
    for type_, facts in INSTANCE_TYPES.items():
        price = on_demand(type_, region)
        if price is None:
            continue
        common = {
            **place,
            "servicecode": "AmazonEC2",
            "instanceType": type_,
            "vcpu": str(facts["VCpuInfo"]["DefaultVCpus"]),
            "memory": f"{facts['MemoryInfo']['SizeInMiB'] / 1024:g} GiB",
            "operatingSystem": "Linux",
            "preInstalledSw": "NA",
            "licenseModel": "No License required",
            "marketoption": "OnDemand",
            "operation": "RunInstances",
        }
        usual = {**common, "tenancy": "Shared", "capacitystatus": "Used", "usagetype": f"BoxUsage:{type_}"}
        reserved = {**usual, "capacitystatus": "UnusedCapacityReservation", "usagetype": f"UnusedBox:{type_}"}
        dedicated = {**usual, "tenancy": "Dedicated", "usagetype": f"DedicatedUsage:{type_}"}
        for attributes, dollars in ((usual, price), (reserved, price), (dedicated, price * 1.06)):
            found.append(_product(attributes, "Compute Instance", "Hrs", round(dollars, 10)))
    return found


def _others(region: str) -> list[dict[str, Any]]:
    name, factor = _REGIONS[region]
    place = {"location": name, "locationType": "AWS Region", "regionCode": region}
    ec2 = {**place, "servicecode": "AmazonEC2"}
    gp3 = {**ec2, "volumeApiName": "gp3", "volumeType": "General Purpose", "usagetype": "EBS:VolumeUsage.gp3"}
    snapshot = {**ec2, "usagetype": "EBS:SnapshotUsage"}
    address = {**place, "servicecode": "AmazonVPC", "group": "VPCPublicIPv4Address"}
    return [
        _product(gp3, "Storage", "GB-Mo", round(0.08 * factor, 4)),
        _product(snapshot, "Storage Snapshot", "GB-Mo", 0.05),
        _product(address, "VpcPublicIPv4Address", "Hrs", 0.005),
    ]


@answers("pricing", "GetProducts")
def _(call: Call) -> dict[str, Any]:
    filters = {f["Field"]: f["Value"] for f in call.body.get("Filters", [])}
    wanted = [r for r, (name, _) in _REGIONS.items() if filters.get("regionCode", r) == r]
    wanted = [r for r in wanted if filters.get("location", _REGIONS[r][0]) == _REGIONS[r][0]]
    found = []
    for product in (p for region in wanted for p in (*_computers(region), *_others(region))):
        fields = {**product["product"]["attributes"], "productFamily": product["product"]["productFamily"]}
        fields["servicecode"] = product["serviceCode"]
        if fields["servicecode"] == call.body.get("ServiceCode") and filters.items() <= fields.items():
            found.append(json.dumps(product))
    start = int(call.body.get("NextToken") or 0)
    size = min(int(call.body.get("MaxResults") or 100), 100)
    answer: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": found[start : start + size]}
    if len(found) > start + size:
        answer["NextToken"] = str(start + size)
    return answer


@hook(SpotInstances, "describe_spot_price_history")
def _(original: Any, self: Any) -> Any:
    types = self._get_param("InstanceTypes", [])
    filters = self._filters_from_querystring()
    zones = filters.get("availability-zone")
    if zone := self._get_param("AvailabilityZone"):
        zones = [zone]
    types = types or filters.get("instance-type", [])
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    history = []
    for offering in INSTANCE_TYPE_OFFERINGS["availability-zone"].get(self.region, []):
        type_, zone = offering["InstanceType"], offering["Location"]
        if (types and type_ not in types) or (zones and zone not in zones):
            continue
        if on_demand(type_, self.region) is None:
            continue
        # The newest is what it costs now; the older ones are there to be told apart from it.
        for hours, factor in ((1, 1.0), (9, 1.08), (30, 0.95)):
            history.append(
                {
                    "AvailabilityZone": zone,
                    "InstanceType": type_,
                    "ProductDescription": "Linux/UNIX",
                    "SpotPrice": f"{spot(type_, zone) * factor:.6f}",
                    "Timestamp": now - datetime.timedelta(hours=hours),
                }
            )
    wanted = self._get_param("ProductDescriptions", []) or filters.get("product-description", [])
    if wanted and not {"Linux/UNIX", "Linux/UNIX (Amazon VPC)"} & set(wanted):
        history = []
    history.sort(key=lambda h: h["Timestamp"], reverse=True)
    start = int(self._get_param("NextToken") or 0)
    size = int(self._get_param("MaxResults") or 1000)
    more = str(start + size) if len(history) > start + size else ""
    return ActionResult({"SpotPriceHistory": history[start : start + size], "NextToken": more})
