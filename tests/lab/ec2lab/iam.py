"""IAM: who calls, whether their policies allow all that a call asks for, and the refusal in each service's words.

moto judges actions alone. Here resources and conditions are judged too, as AWS's evaluation logic does, for the few
operators that our policies use; anything else in a policy is an error. The key `lab` is root's and is never judged.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from moto import settings
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.core.authorization import ActionAuthenticatorMixin
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.iam.access_control import IAMPolicy, IAMPolicyStatement, IAMRequestBase, PermissionResult
from moto.iam.models import iam_backends

from .asks import Ask, asks
from .hooks import hook
from .services import Answer, Call, error

ROOT = "lab"
Policy = dict[str, Any]
_KEY = re.compile(r"Credential=([^/]*)/")
_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Condition"}
_PRINCIPAL = "${aws:PrincipalArn}"
# What there is (a text, of TagKeys a list, or None), and what the policy says.
_OPERATORS: dict[str, Callable[[Any, list[str]], bool]] = {
    "Null": lambda there, wanted: any((there is None) == (value == "true") for value in wanted),
    "StringEquals": lambda there, wanted: isinstance(there, str) and there in wanted,
    # Of what is not there, every "not" is true.
    "StringNotEquals": lambda there, wanted: not (isinstance(there, str) and there in wanted),
    # True of nothing at all, as in AWS.
    "ForAllValues:StringEquals": lambda there, wanted: all(one in wanted for one in there or []),
}
# The API's name, where IAM has another.
_NAMES = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:UpdateBudget": "budgets:ModifyBudget",
    "budgets:DeleteBudget": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
}


# ------------------------------------------------------------------------------------------ judging
def refused(policies: Iterable[Policy], asked: Iterable[Ask]) -> list[Ask]:
    """What of `asked`, each with its `principal`, these policies do not allow, and why."""
    statements = [statement for policy in policies for statement in _statements(policy)]
    judged = ({**ask, "why": judge(statements, ask)} for ask in asked)
    return [ask for ask in judged if ask["why"]]


def judge(statements: list[dict[str, Any]], ask: Ask) -> str | None:
    """Why `ask` is refused to its `principal`, None where it is allowed."""
    if ask.get("unknown"):
        return "the lab does not know what this call asks for (asks.py)"
    allowed = False
    for statement in statements:
        if not _applies(statement, ask):
            continue
        if statement["Effect"] == "Deny":
            return f"{statement['Sid']} denies it"
        allowed = True
    return None if allowed else f"no statement allows {ask['action']} on {ask['resource']}"


def _statements(policy: Policy) -> list[dict[str, Any]]:
    """Its statements; what is not understood here is an error, whether or not a call comes to it."""
    if policy.get("Version") != "2012-10-17":
        raise ValueError("a policy without its Version has no variables, and older rules")
    for statement in policy["Statement"]:
        sid = statement.get("Sid")
        if strange := set(statement) - _ELEMENTS:
            raise ValueError(f"{sid}: {strange} is not judged")
        if statement["Effect"] not in ("Allow", "Deny"):
            raise ValueError(f"{sid}: {statement['Effect']}")
        for operator, keys in statement.get("Condition", {}).items():
            if operator not in _OPERATORS:
                raise ValueError(f"{sid}: the operator {operator} is not judged")
            if any("${" in value.replace(_PRINCIPAL, "") for values in keys.values() for value in _list(values)):
                raise ValueError(f"{sid}: a variable in {keys} is not judged")
    return list(policy["Statement"])


def _applies(statement: dict[str, Any], ask: Ask) -> bool:
    return (
        any(_like(pattern, ask["action"], re.IGNORECASE) for pattern in _list(statement["Action"]))
        and any(_like(pattern, ask["resource"]) for pattern in _list(statement["Resource"]))
        and all(
            _OPERATORS[operator](ask["context"].get(key), [v.replace(_PRINCIPAL, ask["principal"]) for v in _list(values)])
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@functools.cache
def _like(pattern: str, text: str, flags: int = 0) -> bool:
    """`*` is any text, `?` one character; nothing else is special."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, flags | re.DOTALL) is not None


# ---------------------------------------------------------------------------------------- enforcing
def enforced() -> bool:
    """Whether `auth` is on."""
    return ActionAuthenticatorMixin.request_count >= settings.INITIAL_NO_AUTH_ACTION_COUNT


def caller(call: Call) -> str | None:
    """The user's ARN; None for root, and for who is not known."""
    key = _KEY.search(call.headers.get("Authorization", ""))
    for user in iam_backends[ACCOUNT]["aws"].users.values():
        if key and any(k.access_key_id == key[1] for k in user.access_keys):
            return str(user.arn)
    return None


def user(name: str, policies: dict[str, Policy]) -> dict[str, str]:
    """A user with exactly these inline policies, made where there is none; their key."""
    backend = iam_backends[ACCOUNT]["aws"]
    if name not in backend.users:
        backend.create_user("us-east-1", name)
        backend.create_access_key(name)
    found = backend.users[name]
    for old in list(found.policies):
        found.delete_policy(old)
    for title, policy in policies.items():
        found.put_policy(title, json.dumps(policy))
    key = found.access_keys[0]
    return {"arn": found.arn, "id": key.access_key_id, "secret": key.secret_access_key}


def wanted(call: Call) -> tuple[str | None, list[Ask]]:
    """Who calls, and for what; nothing is asked of root."""
    principal = caller(call)
    if principal is None:
        return None, []
    try:
        return principal, asks(call)
    except (KeyError, AttributeError) as wrong:
        return principal, [_unreadable(call, wrong)]


def _unreadable(call: Call, wrong: Exception) -> Ask:
    return {"action": f"{call.service}:{call.action}", "resource": repr(wrong), "context": {}, "unknown": True}


def refusal(call: Call, principal: str | None, asked: list[Ask]) -> Answer | None:
    """The answer to who may not, while IAM is enforced."""
    if principal is None or not enforced():
        return None
    name = principal.rsplit("/", 1)[-1]
    found = iam_backends[ACCOUNT]["aws"].users[name]
    policies = [json.loads(policy) for policy in found.policies.values()]
    not_allowed = refused(policies, ({"principal": principal, **ask} for ask in asked))
    return _denial(call, principal, not_allowed[0]) if not_allowed else None


def _denial(call: Call, principal: str, ask: Ask) -> Answer:
    from .small_services import encode_denial

    action, resource = ask["action"], ask["resource"]
    because = f"because no identity-based policy allows the {action} action"
    text = f"User: {principal} is not authorized to perform: {action} on resource: {resource} {because}"
    if call.service == "ec2":
        encoded = encode_denial(principal, action, resource)
        more = f"Encoded authorization failure message: {encoded}"
        return error(call, "UnauthorizedOperation", f"You are not authorized to perform this operation. {text}. {more}", 403)
    if call.service == "sns":
        return error(call, "AuthorizationError", text.replace("sns:", "SNS:", 1), 403)
    if call.service == "sts":
        return error(call, "AccessDenied", text, 403)
    return error(call, "AccessDeniedException", text, 403 if call.service == "ebs" else 400)


# --------------------------------------------------------------------------- moto's word on actions
@hook(RegionsAndZonesBackend, "describe_regions")
def _(original: Any, backend: Any, *names: Any) -> Any:
    # Those of its own partition that an account has without asking.
    regions = [region for region in original(backend, *names) if not region.name.startswith(("cn-", "us-gov-"))]
    return [region for region in regions if region.opt_in_status == "opt-in-not-required"]


@hook(ActionAuthenticatorMixin, "_authenticate_and_authorize_action")
def _(original: Any, self: Any, *arguments: Any) -> None:
    if f"Credential={ROOT}/" not in self.headers.get("Authorization", ""):
        original(self, *arguments)


@hook(IAMRequestBase, "check_signature")
def _(original: Any, self: Any) -> None:
    """A key's secret is not judged: moto reckons some requests' signatures otherwise than SDKs do."""


@hook(IAMRequestBase, "check_action_permitted")
def _(original: Any, self: Any, resource: str) -> None:
    self._action = _NAMES.get(self._action, self._action)
    original(self, resource)


@hook(IAMPolicy, "is_action_permitted")
def _(original: Any, self: Any, *arguments: Any) -> Any:
    # What it cannot judge it would refuse: resources and conditions are judged above.
    statements = [s for s in _list(self._policy_json["Statement"]) if s["Effect"] == "Allow"]
    bare = [{k: v for k, v in s.items() if k != "Condition"} | {"Resource": "*"} for s in statements]
    named = [IAMPolicyStatement(s).is_action_permitted(*arguments) for s in bare]
    return PermissionResult.PERMITTED if PermissionResult.PERMITTED in named else PermissionResult.NEUTRAL
