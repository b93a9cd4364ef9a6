"""Runs of a Pulumi program: what the child gets, how it is started, what its end means."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from offline.host.children import Child, Children, describe_exit
from offline.host.interpreter import Interpreter
from offline.host.protocol import language_pb2

RUN_CHILD = Path(__file__).with_name("run_child.py")
"""What children run, as a file, because their interpreter does not know this package."""

EXIT_REPORTED = 32
"""The child's exit code for a failure that it has reported to the user."""


def job(request: language_pb2.RunRequest, engine_address: str) -> dict[str, Any]:
    """Return what the child needs to know of the run that the engine asks for."""
    return {
        "project": request.project,
        "stack": request.stack,
        "organization": request.organization or None,
        "root_directory": request.info.root_directory,
        "directory": request.pwd or request.info.program_directory,
        "entry_point": request.info.entry_point,
        "arguments": [*request.args],
        "config": dict(request.config),
        "config_secret_keys": [*request.configSecretKeys],
        "dry_run": request.dryRun,
        "parallel": request.parallel,
        "monitor": request.monitor_address,
        "engine": engine_address,
    }


def outcome(code: int, stopped: bool) -> language_pb2.RunResponse:
    """Return the answer to the engine for a child that ended with `code`, see `Child.wait`."""
    if code == 0:
        return language_pb2.RunResponse()
    if code == EXIT_REPORTED:
        return language_pb2.RunResponse(bail=True)
    cancelled = "was cancelled and " if stopped else ""
    return language_pb2.RunResponse(error=f"the program {cancelled}{describe_exit(code)}")


class ProgramStarter:
    """Starts the child for a program, ahead of time if it can.

    The engine asks for the packages of a project before it runs the project, and works in
    between. A child started at the first call has imported Pulumi when the second comes. It waits
    for its job, and knows nothing of the project yet.
    """

    def __init__(self, children: Children) -> None:
        self._children = children
        self._lock = threading.Lock()
        self._spare: tuple[Interpreter, Child] | None = None

    def prepare(self, interpreter: Interpreter) -> None:
        """Start a child for `interpreter`, if none waits already."""
        with self._lock:
            if self._spare is None:
                self._spare = (interpreter, self._start(interpreter))

    def take(self, interpreter: Interpreter) -> Child:
        """Return a child that waits for its job; the caller removes it from the children."""
        with self._lock:
            spare = self._spare
            if spare is not None and spare[0] == interpreter and spare[1].running():
                self._spare = None
                return spare[1]
        self.discard()
        return self._start(interpreter)

    def discard(self) -> None:
        """End the child that waits for a job, if there is one."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is not None:
            spare[1].kill()
            self._children.remove(spare[1])

    def _start(self, interpreter: Interpreter) -> Child:
        child = Child(
            [str(interpreter.executable), str(RUN_CHILD), "program"],
            directory=Path.cwd(),
            environment=interpreter.environment(os.environ),
            piped_input=True,
        )
        self._children.add(child)
        return child


def run_program(child: Child, description: dict[str, Any]) -> language_pb2.RunResponse:
    """Give a waiting child its job and wait for its end."""
    # Through a pipe: secret config must not show among the processes of the machine.
    child.send(json.dumps(description).encode())
    code = child.wait()
    return outcome(code, child.stopped)
