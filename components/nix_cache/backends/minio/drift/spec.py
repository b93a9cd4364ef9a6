"""How a MinIO server is asked for drift. What asks it is loaded when it is reached."""

from collections.abc import Mapping, Sequence
from typing import Any

from nix_cache.backends.drift import Deployed, Service, ServiceDrift
from nix_cache.backends.minio.drift.administrator import PACKAGE
from nix_cache.backends.minio.drift.declared_by_state import reserves_names


def _concerns(resources: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["type"].startswith(f"{PACKAGE}:") or reserves_names(one) for one in resources)


def _reach(deployed: Deployed) -> Service:
    from nix_cache.backends.minio.drift.service import reach

    return reach(deployed)


DRIFT = ServiceDrift(concerns=_concerns, reach=_reach)
"""How a server is asked."""
