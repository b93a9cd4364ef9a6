"""The engine's protobuf messages and gRPC stubs, loaded without the rest of Pulumi.

Importing `pulumi` costs about 0.3 s, all of it before the engine may send its first call. The
generated modules below `pulumi.runtime.proto` need only protobuf and gRPC, so the three packages
above them are stood in for while they load, and taken away afterwards.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pulumi.runtime.proto import analyzer_pb2

MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
"""Largest gRPC message; the engine and the SDK use the same limit."""

CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES),
]

_PACKAGES = ("pulumi", "pulumi.runtime", "pulumi.runtime.proto")


@contextmanager
def _bare_packages() -> Iterator[None]:
    """Let modules below `pulumi.runtime.proto` be imported without running the packages' code."""
    if "pulumi" in sys.modules:
        yield
        return
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            f"the language host needs the Python package pulumi, which {sys.executable} lacks; "
            "install the project's locked requirements into its environment",
            name="pulumi",
        )
    folder = spec.submodule_search_locations[0]
    for name in _PACKAGES:
        package = ModuleType(name)
        package.__path__ = ["/".join([folder, *name.split(".")[1:]])]
        sys.modules[name] = package
    try:
        yield
    finally:
        for name in [*sys.modules]:
            if name == "pulumi" or name.startswith("pulumi."):
                del sys.modules[name]


if TYPE_CHECKING:
    from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
else:
    with _bare_packages():
        from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2


def stack_configuration(message: bytes) -> "analyzer_pb2.AnalyzerStackConfigureRequest":
    """Parse the engine's description of the stack that a policy pack will look at."""
    # Loaded here, because most runs have no policy pack.
    with _bare_packages():
        analyzer = importlib.import_module("pulumi.runtime.proto.analyzer_pb2")
    request: analyzer_pb2.AnalyzerStackConfigureRequest = (
        analyzer.AnalyzerStackConfigureRequest.FromString(message)
    )
    return request


__all__ = [
    "CHANNEL_OPTIONS",
    "MESSAGE_LIMIT_BYTES",
    "language_pb2",
    "language_pb2_grpc",
    "plugin_pb2",
    "stack_configuration",
]
