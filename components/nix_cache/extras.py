"""What the extras of this package bring, as its metadata lists it."""

import re
from importlib import metadata

_REQUIREMENT = re.compile(r"([\w.-]+).*?;.*\bextra == ['\"]([\w.-]+)['\"]")
"""A requirement of an extra: the package and the extra."""


def is_brought_by(extra: str, module: str) -> bool:
    """Return whether an extra is installed with a module such as ``pulumi_minio.s3_bucket``.

    The packages that the extras require have modules of their own names.
    """
    requirements = map(_REQUIREMENT.fullmatch, metadata.requires("nix-cache") or ())
    modules = {
        found[1].replace("-", "_").lower()
        for found in requirements
        if found is not None and found[2] == extra
    }
    return module.partition(".")[0] in modules
