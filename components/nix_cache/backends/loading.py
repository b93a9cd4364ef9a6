"""Loads the parts of a backend's folder that its spec names, when they are needed. Pure."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class BackendFolder:
    """The modules of one backend.

    A spec is read for every cache, and its modules need packages that only its own extra brings.

    Attributes:
        package: the backend's package, by its full name.
    """

    package: str

    def value(self, module: str, name: str) -> Callable[[], Any]:
        """Return a function that loads a module and returns one of its values.

        Args:
            module: the module's name within the package.
            name: the value's name.
        """

        def load() -> Any:
            return getattr(importlib.import_module(f"{self.package}.{module}"), name)

        return load

    def function(self, module: str, name: str) -> Callable[..., Any]:
        """Return a function that loads one of a module and calls it with its own arguments.

        Args:
            module: the module's name within the package.
            name: the function's name.
        """
        load = self.value(module, name)

        def call(*arguments: Any) -> Any:
            return load()(*arguments)

        return call
