"""The calls that the engine makes to its language host."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty

from offline.host import EMULATOR, SDK_VERSION
from offline.host.children import SHUTDOWN_GRACE_SECONDS, Children, stop_children, stop_soon
from offline.host.interpreter import Interpreter, find_interpreter
from offline.host.options import read_options
from offline.host.packages import required_plugins
from offline.host.plugins import POLICY_KIND, PluginRun, check_plugin
from offline.host.programs import ProgramStarter, job, run_program
from offline.host.protocol import language_pb2, language_pb2_grpc, plugin_pb2
from tools.errors import ToolError

_ELSEWHERE = "use Pulumi's own language host for it"
UNSUPPORTED = {
    "Handshake": "let the engine start the host, without PULUMI_DEBUG_LANGUAGES",
    "GetRequiredPlugins": "use an engine that calls GetRequiredPackages",
    "RuntimeOptionsPrompts": "write the runtime options into the project file",
    "Template": _ELSEWHERE,
    "GenerateProgram": _ELSEWHERE,
    "GenerateProject": _ELSEWHERE,
    "GeneratePackage": _ELSEWHERE,
    "Pack": _ELSEWHERE,
    "Link": _ELSEWHERE,
}
"""Calls of the protocol that this host refuses, and what to do instead."""


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine at `engine_address`, for programs and plugins written in Python."""

    def __init__(self, engine_address: str) -> None:
        self._engine_address = engine_address
        self._programs = Children()
        self._plugins = Children()
        self._starter = ProgramStarter(self._programs)

    def stop(self) -> None:
        """End everything that this host has started."""
        self._starter.discard()
        stop_children([*self._programs.close(), *self._plugins.close()], SHUTDOWN_GRACE_SECONDS)

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the host's version: that of the CLI it belongs to."""
        return plugin_pb2.PluginInfo(version=SDK_VERSION)

    def About(
        self, request: language_pb2.AboutRequest, context: grpc.ServicerContext
    ) -> language_pb2.AboutResponse:
        """Return the project's interpreter, for `pulumi about`."""
        with _refusals(context):
            executable, version = _interpreter(request.info).identify()
        return language_pb2.AboutResponse(
            executable=executable,
            version=version,
            metadata={"host": EMULATOR, "toolchain": "pip"},
        )

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        """Return the plugins of the Pulumi packages in the project's environment."""
        with _refusals(context):
            interpreter = _interpreter(request.info)
            self._starter.prepare(interpreter)
            packages = required_plugins(interpreter.installed().packages)
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        """Return the Python packages in the project's environment, for `pulumi about`."""
        with _refusals(context):
            installed = _interpreter(request.info).installed()
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=package.name, version=package.version)
                for package in installed.packages
                if request.transitiveDependencies or package.name in installed.direct
            ]
        )

    def Run(
        self, request: language_pb2.RunRequest, context: grpc.ServicerContext
    ) -> language_pb2.RunResponse:
        """Run the project's program to its end."""
        with _refusals(context):
            _refuse_debugger(request.attach_debugger)
            child = self._starter.take(_interpreter(request.info))
        try:
            if not context.add_callback(lambda: stop_soon([child])):
                child.kill()
            return run_program(child, job(request, self._engine_address))
        finally:
            self._programs.remove(child)

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        """Run a component package's server or a policy pack for as long as the engine wants."""
        with _refusals(context):
            _refuse_debugger(request.attach_debugger)
            check_plugin(Path(request.info.program_directory))
            is_policy = request.kind == POLICY_KIND
            interpreter = _interpreter(request.info, plugin=not is_policy)
            run = PluginRun(request, interpreter, self._plugins)
        if not context.add_callback(run.cancel):
            run.cancel()
        yield from run.responses()

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Say that nothing is installed, if there is an environment to use, and refuse if not."""
        with _refusals(context):
            interpreter = _interpreter(request.info, plugin=request.is_plugin)
        words = f"{EMULATOR} installs nothing: {interpreter.executable} is used as it is\n"
        yield language_pb2.InstallDependenciesResponse(stdout=words.encode())

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Empty:
        """Interrupt the program; no further one is run. The engine ends plugins itself."""
        self._starter.discard()
        stop_soon(self._programs.close())
        return Empty()


def _interpreter(info: language_pb2.ProgramInfo, *, plugin: bool = False) -> Interpreter:
    root, program = Path(info.root_directory), Path(info.program_directory)
    options = read_options(dict(info.options.items()), root, program, plugin=plugin)
    return find_interpreter(options, os.environ)


def _refuse_debugger(asked: bool) -> None:
    if asked:
        raise ToolError(f"{EMULATOR} cannot attach a debugger", "run without --attach-debugger")


@contextmanager
def _refusals(context: grpc.ServicerContext) -> Iterator[None]:
    """Report a mistake in the project to the engine as such, not as a fault of the host."""
    try:
        yield
    except ToolError as error:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
    except OSError as error:
        context.abort(grpc.StatusCode.INTERNAL, f"cannot start the project's Python: {error}")


def _refuse_call(name: str, advice: str) -> Callable[..., NoReturn]:
    def refuse(self: LanguageHost, request: Any, context: grpc.ServicerContext) -> NoReturn:
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"{name} is not supported by {EMULATOR}; {advice}"
        )
        raise AssertionError("abort raises")

    return refuse


for _name, _advice in UNSUPPORTED.items():
    setattr(LanguageHost, _name, _refuse_call(_name, _advice))
