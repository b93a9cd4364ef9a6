"""Runs of a plugin written in Python: a component package's server, or a policy pack."""

import json
import os
import selectors
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from offline.host.children import Child, Children, describe_exit
from offline.host.interpreter import Interpreter
from offline.host.policy_proxy import PolicyProxy
from offline.host.programs import RUN_CHILD
from offline.host.protocol import language_pb2, stack_configuration
from tools.errors import ToolError

POLICY_KIND = "analyzer"
"""The engine's word for a policy pack."""

_CHUNK_BYTES = 64 * 1024
_SIGNAL_EXIT_CODE_BASE = 128  # As shells report a death by signal.


def plugin_environment(
    interpreter: Interpreter, base: Mapping[str, str], requested: Sequence[str]
) -> dict[str, str]:
    """Environment of a plugin: the host's, overlaid by the engine's `requested` KEY=VALUE items.

    The virtual environment comes last, for the engine repeats its own PATH there.
    """
    variables = dict(base)
    for item in requested:
        name, _, value = item.partition("=")
        variables[name] = value
    return interpreter.environment(variables)


def policy_environment(message: bytes | None) -> dict[str, str]:
    """Return what a policy pack reads of its stack, from the engine's configuration message."""
    if message is None:
        return {}
    stack = stack_configuration(message)
    variables = {
        "PULUMI_ORGANIZATION": stack.organization,
        "PULUMI_PROJECT": stack.project,
        "PULUMI_STACK": stack.stack,
        "PULUMI_DRY_RUN": "true" if stack.dry_run else "false",
        "PULUMI_CONFIG": json.dumps(dict(stack.config)),
    }
    return {name: value for name, value in variables.items() if value}


def check_plugin(folder: Path) -> None:
    """Raise ToolError for a folder that holds no plugin that can be run."""
    if not (folder / "__main__.py").is_file():
        raise ToolError(
            f"the plugin in {folder} has no __main__.py", "add one that serves the plugin"
        )


class PluginRun:
    """One plugin, from its start to its end, as the engine's RunPlugin call wants it."""

    def __init__(
        self,
        request: language_pb2.RunPluginRequest,
        interpreter: Interpreter,
        children: Children,
    ) -> None:
        self._arguments = [*request.args]
        self._folder = Path(request.info.program_directory)
        self._directory = Path(request.pwd or request.info.program_directory)
        self._interpreter = interpreter
        self._children = children
        self._environment = plugin_environment(interpreter, os.environ, request.env)
        self._proxy = PolicyProxy() if request.kind == POLICY_KIND else None
        self._child: Child | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """End it; called when the engine is done with the plugin, or gone."""
        self._cancelled = True
        if self._proxy is not None:
            self._proxy.configure(None)
        child = self._child
        if child is not None:
            child.kill()

    def responses(self) -> Iterator[language_pb2.RunPluginResponse]:
        """Start the plugin and stream what it writes; ends with its exit code."""
        if self._proxy is None:
            yield from self._run(self._start(self._component_command(), self._directory))
            return
        try:
            yield language_pb2.RunPluginResponse(stdout=f"{self._proxy.port}\n".encode())
            self._environment |= policy_environment(self._proxy.await_configuration())
            if not self._cancelled:
                yield from self._run(self._start(self._policy_command(), self._folder))
        finally:
            self._proxy.close()

    def _component_command(self) -> list[str]:
        return ["path", str(self._folder), *self._arguments]

    def _policy_command(self) -> list[str]:
        return ["module", "pulumi.policy", *self._arguments, str(self._folder)]

    def _start(self, command: list[str], directory: Path) -> Child:
        child = Child(
            # Unbuffered: the port on the first line is awaited.
            [str(self._interpreter.executable), "-u", str(RUN_CHILD), *command],
            directory=directory,
            environment=self._environment,
            piped_output=True,
        )
        self._children.add(child)
        self._child = child
        if self._cancelled:
            child.kill()
        return child

    def _run(self, child: Child) -> Iterator[language_pb2.RunPluginResponse]:
        try:
            yield from self._stream(child)
            code = child.wait()
        finally:
            self._child = None
            child.kill()
            self._children.remove(child)
        if code < 0:
            words = f"the plugin in {self._folder} {describe_exit(code)}\n"
            yield language_pb2.RunPluginResponse(stderr=words.encode())
            code = _SIGNAL_EXIT_CODE_BASE - code
        yield language_pb2.RunPluginResponse(exitcode=code)

    def _stream(self, child: Child) -> Iterator[language_pb2.RunPluginResponse]:
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            selector.register(child.stderr, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    data = os.read(key.fd, _CHUNK_BYTES)
                    if not data:
                        selector.unregister(key.fileobj)
                    if key.fileobj is child.stderr:
                        yield language_pb2.RunPluginResponse(stderr=data)
                    else:
                        data = data if self._proxy is None else self._proxy.take_port(data)
                        yield language_pb2.RunPluginResponse(stdout=data)
