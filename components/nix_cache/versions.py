"""The package's version, as Python writes it and as the engine does. Pure."""

import re


def semantic_version(python_version: str) -> str:
    """Return a version as the engine writes it: ``0.2.0-dev.0`` for Python's ``0.2.0.dev0``."""
    return re.sub(r"\.?(a|b|rc|dev)(\d+)$", r"-\1.\2", python_version)
