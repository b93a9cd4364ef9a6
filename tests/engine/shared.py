"""One stack for several tests, each of which finds it up as it was configured first."""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

from tests.engine.project import Project


class SharedStack:
    """A stack that tests use one after another, in any order.

    A test that leaves the configuration as it found it costs the next one nothing.

    Args:
        project: the stack, configured and not up yet.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._configured: dict[str, Any] = copy.deepcopy(project.config)
        self._is_up = False

    @contextlib.contextmanager
    def lent(self) -> Iterator[Project]:
        """Provide the stack for one test, up with its first configuration."""
        if not self._is_up:
            self._project.config = copy.deepcopy(self._configured)
            self._project.up()
        before = self._project.state_file.read_bytes()
        self._is_up = False
        yield self._project
        is_unchanged = self._project.state_file.read_bytes() == before
        self._is_up = is_unchanged or self._project.config == self._configured
        if is_unchanged:
            self._project.config = copy.deepcopy(self._configured)
