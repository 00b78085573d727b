"""Calls of the REST-JSON protocol, told by method and path: their parameters under the names of botocore's model."""

from __future__ import annotations

import functools
import json
import re
import urllib.parse
from typing import Any

from botocore.model import OperationModel

from .model import service
from .services import Call

# The signing names of the services that speak it here.
SERVICES = ("ebs",)


@functools.cache
def _operations(name: str) -> list[tuple[str, re.Pattern[str], OperationModel]]:
    found = []
    for operation in service(name).operation_names:
        model = service(name).operation_model(operation)
        path = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", model.http["requestUri"].partition("?")[0])
        found.append((model.http["method"], re.compile(path), model))
    return found


def read(call: Call) -> None:
    """Fills in action and parameters. A payload of bytes stays in `raw`."""
    call.json = True
    path, _, query = call.path.partition("?")
    for method, pattern, model in _operations(call.service):
        if method == call.method and (match := pattern.fullmatch(path)):
            call.action = model.name
            call.body = _parameters(call, model, match.groupdict(), dict(urllib.parse.parse_qsl(query)))
            return
    call.action = f"{call.method} {path}"


def _parameters(call: Call, model: OperationModel, uri: dict[str, str], query: dict[str, str]) -> dict[str, Any]:
    shape = model.input_shape
    if shape is None:
        return {}
    payload = shape.serialization.get("payload")
    body: dict[str, Any] = {} if payload or not call.raw else json.loads(call.raw)
    for name, member in shape.members.items():
        place, written = member.serialization.get("location"), member.serialization.get("name", name)
        there = {"uri": uri, "querystring": query, "header": call.headers}.get(place, {})
        text = there.get(written.title() if place == "header" else written)
        if text is not None:
            whole = member.type_name in ("integer", "long")
            body[name] = int(text) if whole else urllib.parse.unquote(text) if place == "uri" else text
    return body
