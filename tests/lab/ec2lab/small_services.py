"""Instance Connect, STS, Budgets and SNS: the few calls that `remote` needs and moto lacks or shortens."""

from __future__ import annotations

import base64
import json
import time
import zlib
from typing import Any

from moto.budgets.models import Notification, budgets_backends
from moto.budgets.responses import BudgetsResponse
from moto.sns.models import SNSBackend, sns_backends

from .hooks import hook
from .machine import MACHINES
from .services import Call, Refusal, answers


@answers("ec2-instance-connect", "SendSSHPublicKey")
def _(call: Call) -> dict[str, Any]:
    machine = MACHINES.get(call.body["InstanceId"])
    if machine is None:
        raise Refusal("EC2InstanceNotFoundException", "Instance not found", 404)
    if machine.inst._state.name != "running":
        raise Refusal("EC2InstanceStateInvalidException", "Instance is not running")
    sent = (call.body["InstanceOSUser"], call.body["SSHPublicKey"], time.monotonic())
    machine.sent_keys.append(sent)
    return {"RequestId": "lab", "Success": True}


def encode_denial(principal: str, action: str, resource: str = "*") -> str:
    """The opaque text of an UnauthorizedOperation."""
    context = {
        "principal": {"id": "AIDALAB", "arn": principal},
        "action": action,
        "resource": resource,
        "conditions": {"items": []},
    }
    denial = {
        "allowed": False,
        "explicitDeny": False,
        "matchedStatements": {"items": []},
        "failures": {"items": []},
        "context": context,
    }
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(denial).encode())).decode()


@answers("sts", "DecodeAuthorizationMessage")
def _(call: Call) -> dict[str, Any]:
    try:
        text = zlib.decompress(base64.urlsafe_b64decode(call.body["EncodedMessage"])).decode()
    except (ValueError, KeyError, zlib.error) as wrong:
        raise Refusal("InvalidAuthorizationMessageException", "The message cannot be decoded") from wrong
    return {"DecodedMessage": text}


# ------------------------------------------------------------------------------------------ Budgets
_TAGS: dict[str, list[dict[str, str]]] = {}


def _budget(account: str, name: str) -> Any:
    budget = budgets_backends[account]["aws"].budgets[account].get(name)
    if budget is None:
        raise Refusal("NotFoundException", f"Unable to find budget: {name}")
    return budget


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    def key(n: dict[str, Any]) -> tuple[Any, ...]:
        kind = n.get("ThresholdType", "PERCENTAGE")
        return n["NotificationType"], n["ComparisonOperator"], float(n["Threshold"]), kind

    return key(one) == key(other)


def _notification(call: Call) -> Notification:
    wanted = call.body["Notification"]
    budget = _budget(call.body["AccountId"], call.body["BudgetName"])
    found = next((n for n in budget.notifications if _same(n.details, wanted)), None)
    if found is None:
        raise Refusal("NotFoundException", "Unable to find the notification")
    return found


@answers("budgets", "UpdateBudget")
def _(call: Call) -> dict[str, Any]:
    new = call.body["NewBudget"]
    budget = _budget(call.body["AccountId"], new["BudgetName"])
    budget.budget = {**budget.budget, **new, "LastUpdatedTime": time.time()}
    return {}


@answers("budgets", "CreateSubscriber")
def _(call: Call) -> dict[str, Any]:
    notification, subscriber = _notification(call), call.body["Subscriber"]
    if subscriber in notification.subscribers:
        raise Refusal("DuplicateRecordException", "Error creating subscriber: it exists already")
    notification.subscribers.append(subscriber)  # type: ignore[attr-defined]
    return {}


@answers("budgets", "DeleteSubscriber")
def _(call: Call) -> dict[str, Any]:
    notification, subscriber = _notification(call), call.body["Subscriber"]
    if subscriber not in notification.subscribers:
        raise Refusal("NotFoundException", "Unable to find the subscriber")
    notification.subscribers.remove(subscriber)  # type: ignore[attr-defined]
    return {}


@answers("budgets", "DescribeSubscribersForNotification")
def _(call: Call) -> dict[str, Any]:
    return {"Subscribers": _notification(call).subscribers}


@answers("budgets", "ListTagsForResource")
def _(call: Call) -> dict[str, Any]:
    return {"ResourceTags": _TAGS.get(call.body["ResourceARN"], [])}


@hook(BudgetsResponse, "create_budget")
def _(original: Any, self: Any) -> Any:
    result = original(self)
    account, budget = self._get_param("AccountId"), self._get_param("Budget")
    arn = f"arn:aws:budgets::{account}:budget/{budget['BudgetName']}"
    _TAGS[arn] = self._get_param("ResourceTags", [])
    return result


# ---------------------------------------------------------------------------------------------- SNS
@hook(SNSBackend, "subscribe")
def _(original: Any, backend: Any, topic_arn: str, endpoint: str, protocol: str) -> Any:
    known = backend._find_subscription(topic_arn, endpoint, protocol)
    subscription = original(backend, topic_arn, endpoint, protocol)
    if protocol in ("email", "email-json") and known is None:
        # Until somebody follows the link in the mail, the list shows this in place of a name.
        subscription.real_arn, subscription.arn = subscription.arn, "PendingConfirmation"
        subscription.attributes["PendingConfirmation"] = True
    return subscription


def confirm(endpoint: str) -> int:
    """Somebody follows the link in each mail that `endpoint` got; how many there were."""
    count = 0
    for backends in sns_backends.values():
        for backend in backends.values():
            for subscription in backend.subscriptions.values():
                if subscription.endpoint == endpoint and subscription.arn == "PendingConfirmation":
                    subscription.arn = subscription.real_arn
                    subscription.attributes["PendingConfirmation"] = False
                    count += 1
    return count
