"""Calls that moto lacks and that this package answers itself, before moto sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape


class Refusal(Exception):
    """An error to answer with."""

    def __init__(self, code: str, message: str, status: int = 400, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.reason = code, message, status, reason


@dataclass
class Call:
    """One request, as far as its envelope tells."""

    service: str
    region: str
    action: str
    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    # Form calls: name -> value. JSON calls: the object. `body` is the same, for reading.
    form: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    json: bool = False

    @property
    def token(self) -> str | None:
        """The caller's idempotency token."""
        return self.body.get("ClientToken") or self.body.get("ClientRequestToken")


Answer = tuple[int, list[tuple[str, str]], bytes]
ANSWERS: dict[tuple[str, str], Callable[[Call], dict[str, Any] | Answer]] = {}


def answers(service: str, action: str) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """The decorated function answers this call with the object to be sent, or with the whole answer."""

    def keep(function: Callable[[Call], Any]) -> Callable[[Call], Any]:
        ANSWERS[service, action] = function
        return function

    return keep


def own_answer(call: Call) -> Answer | None:
    """Our answer, or None where the call is moto's."""
    function = ANSWERS.get((call.service, call.action))
    if function is None:
        return None
    try:
        _authorize(call)
        result = function(call)
    except Refusal as refusal:
        return error(call, refusal.code, refusal.message, refusal.status, refusal.reason)
    if isinstance(result, tuple):
        return result
    if call.json:
        return 200, [("Content-Type", "application/x-amz-json-1.1")], json.dumps(result).encode()
    inner = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in result.items())
    wrapped = f"<{call.action}Result>{inner}</{call.action}Result>"
    metadata = "<ResponseMetadata><RequestId>lab</RequestId></ResponseMetadata>"
    text = f"<{call.action}Response>{wrapped}{metadata}</{call.action}Response>"
    return 200, [("Content-Type", "text/xml")], text.encode()


def error(call: Call, code: str, message: str, status: int = 400, reason: str = "") -> Answer:
    """An error in the protocol of the call."""
    if call.json:
        data = json.dumps({"__type": code, "message": message, **({"Reason": reason} if reason else {})})
        return status, [("Content-Type", "application/x-amz-json-1.1")], data.encode()
    inner = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if call.service == "ec2":
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>lab</RequestID></Response>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error><RequestId>lab</RequestId></ErrorResponse>"
    return status, [("Content-Type", "text/xml")], f'<?xml version="1.0"?>{text}'.encode()


def _authorize(call: Call) -> None:
    """IAM's word on a call that moto does not see, where enforcement is on."""
    from moto import settings
    from moto.core.authorization import ActionAuthenticatorMixin
    from moto.iam.access_control import IAMRequest

    if ActionAuthenticatorMixin.request_count < settings.INITIAL_NO_AUTH_ACTION_COUNT:
        return
    if "Credential=lab/" in call.headers.get("Authorization", ""):
        return
    from moto.core import DEFAULT_ACCOUNT_ID
    from werkzeug.exceptions import HTTPException

    try:
        request = IAMRequest(
            account_id=DEFAULT_ACCOUNT_ID,
            method=call.method,
            path=call.path,
            data=call.form,
            body=call.raw,
            headers=call.headers,
            action=call.action,
        )
        request.check_action_permitted("*")
    except HTTPException as denied:
        raise Refusal("AccessDeniedException", getattr(denied, "message", str(denied)), 403) from denied
