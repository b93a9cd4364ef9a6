"""The plugin: the component for programs in other languages. `components/__main__.py` runs it."""

import asyncio
import contextlib
import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

import grpc
import pulumi
from pulumi.provider import ConstructResult
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.server import ComponentInitError
from pulumi.runtime.config import CONFIG
from pulumi.runtime.proto import provider_pb2_grpc

from nix_cache.binary_cache import BinaryCache
from nix_cache.own_resources import (
    PACKAGE,
    OwnResourcesServicer,
    own_provider,
    register_as_own,
)
from nix_cache.problems import Problem, SettingsError
from nix_cache.sdk_messages import withhold_secrets
from nix_cache.storage.claimants import program
from nix_cache.validation import check
from nix_cache.versions import semantic_version

_PROVIDER_SDKS = {
    "aws": "pulumi_aws",
    "digitalocean": "pulumi_digitalocean",
    "minio": "pulumi_minio",
}
"""By package, the module that knows what a provider's outputs are."""

_CONFIGURED = (*_PROVIDER_SDKS, "b2")
"""Whose settings the component's own resources ask for."""

_SECRETS = ("credentials", "signingKey", "signingKeys")
"""Arguments and outputs that are secret."""

_MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024
"""The largest message, as in the engine and the SDK."""


class CacheProvider(ComponentProvider):
    """Makes components."""

    def __init__(self) -> None:
        version = semantic_version(metadata.version(PACKAGE))
        super().__init__([BinaryCache], PACKAGE, version=version)
        # SDKs put "Args" to the names of types themselves.
        schema = re.sub(rf"({PACKAGE}:index:\w+?)Args\b", r"\1", self.schema or "{}")
        whole_packages = {"meta": {"supportPack": True}}  # as `pulumi package add` makes them
        self.schema = json.dumps(whole_packages | _told(json.loads(schema)))

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
        # Now, as the SDK stops at the first mistake, and drops what it does not know.
        try:
            _refuse_outputs(inputs)
            check(inputs)
        except SettingsError as mistakes:
            raise pulumi.RunError(str(mistakes)) from None
        withhold_secrets()
        program.set(self)  # this process is one program's, and each component gets a monitor
        known = {key: value for key, value in CONFIG.get().items() if _is_asked_for(key)}
        own = pulumi.ResourceOptions(providers=[own_provider(f"{name}-own", known)])
        options = pulumi.ResourceOptions.merge(options, own)
        try:
            return super().construct(name, resource_type, dict(inputs), options)
        except ComponentInitError as failure:
            if isinstance(failure.inner, pulumi.RunError):
                raise failure.inner from None  # says enough without a traceback
            raise


class CacheServicer(OwnResourcesServicer):
    """Answers the engine."""

    async def Construct(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's
        """Make a component; a mistake of its author is told in words, not as a traceback."""
        for package in _PROVIDER_SDKS.keys() & request.providers.keys():
            with contextlib.suppress(ModuleNotFoundError):  # of a backend that is not in use
                importlib.import_module(_PROVIDER_SDKS[package])
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


def _refuse_outputs(inputs: Mapping[str, Any]) -> None:
    """Refuse what is not plain, which YAML does not look at; raises SettingsError."""
    problems = [
        Problem(
            key,
            "",
            "is a secret or an output of a resource, so it is not known when the cache is planned",
            "a value as it stands, or one from plain configuration; only signingKey may be secret",
        )
        for key, value in _leaves(inputs)
        if isinstance(value, pulumi.Output) and not key.endswith(".signingKey")
    ]
    if problems:
        raise SettingsError(problems)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All that is within lists and objects, each with its place as messages spell it."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _is_asked_for(key: str) -> bool:
    return key.split(":", 1)[0] in _CONFIGURED


def _told(schema: Any, name: str = "") -> Any:
    """The schema with what the SDK's analyzer cannot know of it.

    Descriptions do not show where the source breaks its lines, and what is secret is marked, so
    that generated SDKs treat it as such.
    """
    if isinstance(schema, list):
        return [_told(item) for item in schema]
    if not isinstance(schema, dict):
        return " ".join(schema.split()) if name == "description" else schema
    told = {key: _told(value, key) for key, value in schema.items()}
    return {**told, "secret": True} if name in _SECRETS else told
