"""The one HTTP port: the control API, injected faults, idempotency tokens, our own answers, then moto."""

from __future__ import annotations

import io
import json
import re
import socket
import time
import traceback
import urllib.parse
from collections.abc import Callable, Iterable
from typing import Any

from . import control, faults, iam, model, rest
from .common import LAB, LOCK, complain
from .services import Answer, Call, error, own_answer

# Every call that came in, with its parameters and what became of it.
CALLS: list[dict[str, Any]] = []
# (service, region, action, token) -> the request's bytes and its answer.
_REPLAYS: dict[tuple[str, ...], tuple[bytes, Answer]] = {}
_SCOPE = re.compile(r"Credential=[^/]*/\d*/([^/]*)/([^/]*)/")

Start = Callable[..., Any]


def application(moto: Callable[..., Iterable[bytes]]) -> Callable[[dict[str, Any], Start], Iterable[bytes]]:
    """The WSGI application in front of moto's."""

    def serve(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        path = environ["PATH_INFO"]
        if path.startswith("/lab/"):
            status, headers, out = control.answer(path[5:], raw, environ.get("REMOTE_ADDR", ""), CALLS)
        else:
            status, headers, out = _call(parse(environ, raw), environ, moto)
        start(f"{status} -", [*headers, ("Content-Length", str(len(out)))])
        return [out]

    return serve


def parse(environ: dict[str, Any], raw: bytes) -> Call:
    """What the request asks for, told by its signature's scope and its target or form."""
    headers = {k[5:].replace("_", "-").title(): v for k, v in environ.items() if k.startswith("HTTP_")}
    scope = _SCOPE.search(headers.get("Authorization", ""))
    region, service = scope.groups() if scope else ("us-east-1", "ec2")
    path = environ["PATH_INFO"]
    if query := environ.get("QUERY_STRING"):
        path += f"?{query}"
    call = Call(service, region, "", environ["REQUEST_METHOD"], path, headers, raw)
    target = headers.get("X-Amz-Target")
    if service in rest.SERVICES:
        rest.read(call)
    elif target:
        call.json, call.action = True, target.rsplit(".", 1)[-1]
        call.body = json.loads(raw or b"{}")
    else:
        pairs = urllib.parse.parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
        call.form = dict(pairs)
        call.body = dict(call.form)
        call.action = call.form.get("Action", f"{call.method} {environ['PATH_INFO']}")
    return call


def _call(call: Call, environ: dict[str, Any], moto: Any) -> Answer:
    begun = time.monotonic()
    parameters = {k: v for k, v in call.body.items() if k not in ("Action", "Version")}
    record: dict[str, Any] = {
        "service": call.service,
        "action": call.action,
        "region": call.region,
        "parameters": parameters,
        "at": round(begun, 3),
    }
    with LOCK:
        CALLS.append(record)
        # With the tags as they are before it.
        record["principal"], record["asks"] = iam.wanted(call)
        fault = faults.strike(call)
    record["fault"] = fault.kind if fault else None
    if fault and fault.delay:
        time.sleep(fault.delay)
    kind = fault.kind if fault else "delay"
    answer: Answer | None = None
    if kind in ("delay", "after", "drop"):
        answer = _allowed(call, record, environ, moto)
        record["status"] = answer[0]
    if fault and fault.late:
        time.sleep(fault.late)
    if fault and kind in ("before", "after"):
        answer = error(call, fault.code, fault.message, fault.status)
        record["status"] = fault.status
    record["seconds"] = round(time.monotonic() - begun, 3)
    if kind in ("drop", "refuse") or answer is None:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return 500, [], b""
    if LAB.check_model and not fault:
        for problem in model.problems(call, answer):
            complain(problem)
    return answer


def _allowed(call: Call, record: dict[str, Any], environ: dict[str, Any], moto: Any) -> Answer:
    with LOCK:
        refused = iam.refusal(call, record["principal"], record["asks"])
        record["refused"] = refused is not None
        return refused or _once(call, environ, moto)


def _once(call: Call, environ: dict[str, Any], moto: Any) -> Answer:
    """The same token again gets the same answer, and a different request with it an error."""
    with LOCK:
        key = (call.service, call.region, call.action, call.token or "")
        if call.token and key in _REPLAYS:
            request, answer = _REPLAYS[key]
            if request == call.raw:
                return answer
            text = "The client token is associated with a different request"
            return error(call, "IdempotentParameterMismatch", text)
        try:
            answer = own_answer(call) or _moto(call, environ, moto)
        except Exception:  # noqa: BLE001
            complain(f"{call.service}:{call.action} failed:\n{traceback.format_exc()}")
            return error(call, "InternalError", "the lab failed; see its log", 500)
        if call.token and answer[0] < 300:
            _REPLAYS[key] = (call.raw, answer)
        return answer


def _moto(call: Call, environ: dict[str, Any], moto: Any) -> Answer:
    head: list[Any] = []
    environ["wsgi.input"] = io.BytesIO(call.raw)
    parts = moto(environ, lambda status, headers, *_: head.extend((status, headers)))
    out = b"".join(parts)
    status, headers = int(head[0].split()[0]), head[1]
    if status >= 500:
        complain(f"moto: {call.service}:{call.action}: {status} {out[-300:]!r}")
    return status, [(k, v) for k, v in headers if k.lower() != "content-length"], out
