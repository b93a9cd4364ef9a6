"""What the program adds to the settings of Spaces: nothing, they name everything."""

from collections.abc import Mapping
from typing import Any


def complete(
    settings: Mapping[str, Any], _configured: Mapping[str, str]
) -> tuple[dict[str, Any], None]:
    """The settings as written. The account is that of the stack's configuration."""
    return dict(settings), None
