"""How a method of moto is replaced, and what the replacements share."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable
from typing import Any

from moto.core.exceptions import ServiceException

from .common import LOCK, complain

# "Class.method" of everything replaced; docs/LAB.md lists them and a test compares.
HOOKED: list[str] = []


def hook(cls: type, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Replaces `cls.name` by the decorated function, which is called with the original as first argument."""
    original = getattr(cls, name)
    HOOKED.append(f"{cls.__name__}.{name}")

    def decorate(replacement: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*arguments: Any, **named: Any) -> Any:
            with LOCK:
                try:
                    return replacement(original, *arguments, **named)
                except ServiceException:
                    raise
                except Exception:
                    # moto's server would say 500 and not a word more.
                    complain(f"{cls.__name__}.{name} failed:\n{traceback.format_exc()}")
                    raise

        setattr(cls, name, call)
        return original

    return decorate


def refuse(code: str, message: str) -> ServiceException:
    """An error of EC2, to be raised."""
    from moto.ec2.exceptions import EC2ClientError

    return EC2ClientError(code, message)
