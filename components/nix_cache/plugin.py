"""The plugin: the component for programs in other languages. `components/__main__.py` runs it."""

import asyncio
import contextlib
import importlib
import json
import sys
from collections.abc import Mapping
from typing import Any

import grpc
import pulumi
from pulumi.provider import ConstructResult, Provider
from pulumi.provider.server import ComponentInitError
from pulumi.runtime.config import CONFIG
from pulumi.runtime.proto import provider_pb2_grpc
from pydantic.alias_generators import to_camel

from nix_cache.backends.claimants import program
from nix_cache.backends.registry import BACKENDS
from nix_cache.binary_cache import OUTPUTS, BinaryCache
from nix_cache.config.check import check
from nix_cache.config.problems import SettingsError
from nix_cache.own_resources import OwnResourcesServicer, own_provider, register_as_own
from nix_cache.schema import COMPONENT, package_schema
from nix_cache.sdk_messages import withhold_secrets

_MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
"""The largest message, as in the engine and the SDK."""


class CacheProvider(Provider):
    """Makes components."""

    def __init__(self) -> None:
        schema = package_schema()
        super().__init__(schema["version"], json.dumps(schema))

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: Mapping[str, Any],
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        """Make a component.

        Raises:
            pulumi.RunError: arguments are wrong; it names all of them, spelled as they were
                written, and nothing was registered.
        """
        if resource_type != COMPONENT:
            raise pulumi.RunError(f"{resource_type} is not a component of this package")
        try:
            settings = check(inputs)
        except SettingsError as mistakes:
            raise pulumi.RunError(str(mistakes)) from None
        withhold_secrets()
        program.set(self)  # this process is one program's, and each component gets a monitor
        known = {key: value for key, value in CONFIG.get().items() if _is_asked_for(key)}
        own = pulumi.ResourceOptions(providers=[own_provider(f"{name}-own", known)])
        options = pulumi.ResourceOptions.merge(options, own)
        try:
            cache = BinaryCache(name, settings, options)
        except pulumi.RunError:
            raise  # says enough without a traceback
        except Exception as failure:
            raise ComponentInitError(failure) from failure
        state = {to_camel(output): getattr(cache, output) for output in OUTPUTS}
        return ConstructResult(cache.urn, state)


class CacheServicer(OwnResourcesServicer):
    """Answers the engine."""

    async def Construct(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """Make a component; a wrong argument is an error message, not a traceback."""
        for provider in (backend.provider for backend in BACKENDS.values()):
            if provider.sdk and provider.package in request.providers:
                with contextlib.suppress(ModuleNotFoundError):  # of a backend that is not in use
                    importlib.import_module(provider.sdk)
        try:
            return await super().Construct(request, context)
        except pulumi.RunError as error:
            return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))


def serve() -> None:
    """Serve the engine whose address is the first argument, until it ends this process."""
    register_as_own()
    servicer = CacheServicer(CacheProvider(), sys.argv[1:], engine_address=sys.argv[1])
    with contextlib.suppress(KeyboardInterrupt):  # the engine's way to end it
        asyncio.run(_serve(servicer))


async def _serve(servicer: CacheServicer) -> None:
    limits = [
        ("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES),
        ("grpc.max_send_message_length", _MESSAGE_LIMIT_BYTES),
    ]
    server = grpc.aio.server(options=limits)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


def _is_asked_for(key: str) -> bool:
    """Return whether the component's own resources may read a key of the configuration."""
    return key.split(":", 1)[0] in {backend.provider.package for backend in BACKENDS.values()}
