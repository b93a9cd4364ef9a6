"""All backends, by the name that ``backend`` has in the settings. Everything else derives from it.

A backend's spec is loaded when it is first asked for.
"""

import importlib
from collections.abc import Iterator, Mapping

from nix_cache.backends.spec import BackendSpec

_BUILT_IN = ("minio", "aws", "spaces", "b2", "s3")
"""The folders beside this file, in the order in which documents list them."""


class Registry(Mapping[str, BackendSpec]):
    """Backends by name."""

    def __init__(self) -> None:
        self._specs: dict[str, BackendSpec | None] = dict.fromkeys(_BUILT_IN)

    def __getitem__(self, name: str) -> BackendSpec:
        """Return a backend's spec; raises KeyError for an unknown name."""
        spec = self._specs[name]
        if spec is None:
            module = importlib.import_module(f"nix_cache.backends.{name}.spec")
            spec = self._specs[name] = module.SPEC
        return spec

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a backend; loads nothing."""
        return name in self._specs

    def __iter__(self) -> Iterator[str]:
        """Return the names, in the order of registration."""
        return iter(self._specs)

    def __len__(self) -> int:
        """How many backends there are."""
        return len(self._specs)

    def register(self, spec: BackendSpec) -> None:
        """Add a backend that is not in this package; raises ValueError if its name is taken."""
        if spec.name in self._specs:
            raise ValueError(f"the backend {spec.name} is registered already")
        self._specs[spec.name] = spec

    def unregister(self, name: str) -> None:
        """Remove a backend that was added by ``register``."""
        if name in _BUILT_IN:
            raise ValueError(f"the backend {name} is built in")
        del self._specs[name]


BACKENDS = Registry()
"""All backends."""
