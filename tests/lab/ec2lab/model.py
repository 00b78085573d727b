"""Whether a request's parameters and our answers are what botocore's service model says: names that are not
in it are mistakes, which SDKs would pass over in silence."""

from __future__ import annotations

import functools
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from .services import Answer, Call

# The signing name, where it is not the model's.
_NAMES = {"servicequotas": "service-quotas"}


@functools.cache
def service(signing: str) -> ServiceModel:
    """The model of a service, by its signing name."""
    name = _NAMES.get(signing, signing)
    return ServiceModel(Loader().load_service_model(name, "service-2"), name)


def problems(call: Call, answer: Answer) -> Iterator[str]:
    """What does not fit, one line each."""
    if " " in call.action:
        return
    known = service(call.service)
    where = f"{call.service}:{call.action}"
    if call.action not in known.operation_names:
        yield f"{where}: no such operation"
        return
    operation = known.operation_model(call.action)
    protocol = known.metadata["protocol"]
    if call.json:
        yield from _object(call.body, operation.input_shape, f"{where} parameter")
    elif protocol == "ec2":
        for name in call.form:
            if name not in ("Action", "Version") and not _parameter(name.split("."), operation.input_shape):
                yield f"{where}: no parameter {name}"
    status, _, body = answer
    output = operation.output_shape
    # A payload of bytes, and what is in headers alone, have nothing that could be wrongly named.
    if not 200 <= status < 300 or output is not None and output.serialization.get("payload"):
        return
    if call.json:
        yield from _object(json.loads(body or b"{}"), output, f"{where} answer")
        return
    root = ET.fromstring(body)
    if output is not None and (wrapper := output.serialization.get("resultWrapper")):
        found = next((child for child in root if _tag(child) == wrapper), None)
        if found is not None:
            yield from _element(found, output, f"{where} answer")
    else:
        yield from _element(root, output, f"{where} answer", ("requestId", "RequestId", "return"))


def _object(value: Any, shape: Shape | None, where: str) -> Iterator[str]:
    if shape is None or value is None:
        return
    if shape.type_name == "structure":
        for key, inner in value.items():
            if key not in shape.members:
                yield f"{where}: no {key} in {shape.name}"
            else:
                yield from _object(inner, shape.members[key], where)
    elif shape.type_name == "list":
        for inner in value:
            yield from _object(inner, shape.member, where)
    elif shape.type_name == "map":
        for inner in value.values():
            yield from _object(inner, shape.value, where)


def _parameter(parts: list[str], shape: Shape | None) -> bool:
    """Whether `Filter.1.Value.2` and its like lead somewhere."""
    if shape is None:
        return False
    if not parts:
        return shape.type_name not in ("structure", "map")
    first, rest = parts[0], parts[1:]
    if shape.type_name == "list":
        return first.isdigit() and _parameter(rest, shape.member)
    if shape.type_name != "structure":
        return False
    for name, member in shape.members.items():
        written = member.serialization.get("queryName")
        if written is None:
            written = member.serialization.get("name", name)
            written = written[0].upper() + written[1:]
        if written == first:
            return _parameter(rest, member)
    return False


def _tag(element: ET.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _element(element: ET.Element, shape: Shape | None, where: str, also: tuple[str, ...] = ()) -> Iterator[str]:
    if shape is None:
        return
    if shape.type_name == "structure":
        known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for child in element:
            name = _tag(child)
            if name in known:
                yield from _element(child, known[name], where)
            elif name not in also:
                yield f"{where}: no {name} in {shape.name}"
    elif shape.type_name == "list" and not shape.serialization.get("flattened"):
        for child in element:
            yield from _element(child, shape.member, where)
