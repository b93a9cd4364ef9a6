"""Keeps secrets out of the debug messages of Pulumi's SDK.

When outputs of a component or a stack are registered, the SDK for Python sends the engine all of
them as a debug message, secret ones in clear. `pulumi up --json` prints such messages unasked.
"""

from typing import Any

import pulumi

_SECRET = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - the mark, not a secret
"""By this mark the engine and all SDKs know a secret in a message to each other."""


def withhold_secrets() -> None:
    """From now on, drop debug messages in which something is marked as a secret."""
    if getattr(pulumi.log.debug, "withholds_secrets", False):
        return
    pass_on = pulumi.log.debug

    def debug(msg: str, *args: Any, **kwargs: Any) -> None:
        if _SECRET not in msg:
            pass_on(msg, *args, **kwargs)

    debug.withholds_secrets = True  # type: ignore[attr-defined]
    pulumi.log.debug = debug
