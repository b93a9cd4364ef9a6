"""Where the program finds the AWS region: in its own settings, or in the provider's."""

import os
from collections.abc import Mapping
from typing import Any


def complete(
    settings: Mapping[str, Any], configured: Mapping[str, str]
) -> tuple[dict[str, Any], None]:
    """Fill in the region from the provider's, wherever that is known from.

    The default provider is used, with all that the stack's configuration says of it.

    Args:
        settings: the object ``nix-cache:aws`` as written.
        configured: all of the stack's configuration, for the provider's own settings.
    """
    named = configured.get("aws:region") or os.environ.get("AWS_REGION")
    region = named or os.environ.get("AWS_DEFAULT_REGION")
    return ({"region": region} if region else {}) | {**settings}, None
