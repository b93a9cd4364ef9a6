"""Where the program finds the AWS region: in its own settings, or in the provider's."""

import os
from collections.abc import Mapping
from typing import Any

from nix_cache.backends.spec import Completion


def complete(settings: Mapping[str, Any], configured: Mapping[str, str]) -> Completion:
    """Fill in the region from the provider's, wherever that is known from.

    The default provider is used, with its settings from the stack's configuration.

    Args:
        settings: the object ``nix-cache:aws`` as written.
        configured: all of the stack's configuration, for the provider's own settings.
    """
    named = configured.get("aws:region") or os.environ.get("AWS_REGION")
    region = named or os.environ.get("AWS_DEFAULT_REGION")
    return Completion(settings=({"region": region} if region else {}) | {**settings})
