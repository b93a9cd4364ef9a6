"""The component's own resources, where the plugin serves them and there is no Python program.

Pulumi's SDK gives dynamic resources to the plugin ``pulumi-python``, which runs them in the Python
of the program. A program in another language has none, so in its stacks they are resource types of
this package. They do the same: the plugin hands each call of the engine to the same code.
"""
# ruff: noqa: N802 - the calls have the protocol's names

import asyncio
import base64
import json
import os
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import grpc
import pulumi
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Struct
from pulumi.dynamic import Config, ConfigureRequest, ResourceProvider
from pulumi.provider.server import ProviderServicer
from pulumi.runtime import Settings, configure, proto, rpc

PACKAGE = "nix-cache"
"""The package's name in the types of resources."""

_DYNAMIC = f"pulumi-python:dynamic/{PACKAGE}:"
_STACK_CONFIG = "stackConfig"
_CODE = "__provider"
"""The property in which the SDK keeps what implements a dynamic resource."""


def register_as_own() -> None:
    """From now on, register the component's dynamic resources as types of this package."""
    plain = pulumi.CustomResource.__init__

    def init(self: pulumi.CustomResource, t: str, *args: Any, **kwargs: Any) -> None:
        own = f"{PACKAGE}:index:{t.removeprefix(_DYNAMIC)}" if t.startswith(_DYNAMIC) else t
        plain(self, own, *args, **kwargs)

    pulumi.CustomResource.__init__ = init  # type: ignore[method-assign]


def own_provider(
    name: str, stack_config: Mapping[str, str], opts: pulumi.ResourceOptions | None = None
) -> pulumi.ProviderResource:
    """Return the server of one component's own resources. It is in the state, for destroy too.

    Args:
        name: the provider's name in the stack.
        stack_config: what of the stack's configuration the resources may ask for, by full key, such
            as ``minio:minioServer``. The engine itself passes a plugin only its own package's.
        opts: as for any resource.
    """
    settings = pulumi.Output.secret(json.dumps(dict(stack_config), sort_keys=True))
    return pulumi.ProviderResource(PACKAGE, name, {_STACK_CONFIG: settings}, opts)


class OwnResourcesServicer(ProviderServicer):
    """Answers the engine as the SDK does, and in the place of ``pulumi-python``."""

    _request: ConfigureRequest | None = None

    def _configure(self, stack_config: Mapping[str, str]) -> None:
        self._project = os.environ.get("PULUMI_PROJECT", "project")
        self._request = ConfigureRequest(Config(dict(stack_config), self._project))
        self._loaded: dict[str, ResourceProvider] = {}

    async def Configure(self, request: Any, context: Any) -> proto.ConfigureResponse:
        """Learn whether this process is to serve components or their own resources."""
        settings = rpc.deserialize_properties(request.args).get(_STACK_CONFIG)
        if settings is None:
            return await super().Configure(request, context)
        self._configure(json.loads(rpc.unwrap_rpc_secret(settings)))
        # As from pulumi-python: the engine then keeps track of what is secret.
        return proto.ConfigureResponse(acceptSecrets=False)

    async def Check(self, request: Any, context: Any) -> proto.CheckResponse:
        """Check inputs, and fill in what the check itself finds out."""
        olds, news = _read(request.olds), _read(request.news)
        made = await _done(context, self._code(news).check, olds, news)
        failures = [
            proto.CheckFailure(property=failure.property, reason=failure.reason)
            for failure in made.failures
        ]
        return proto.CheckResponse(inputs=await _written(made.inputs, news), failures=failures)

    async def Diff(self, request: Any, context: Any) -> proto.DiffResponse:
        """Return what a change of inputs means."""
        olds, news = _read(request.olds), _read(request.news)
        found = await _done(context, self._code(news).diff, request.id, olds, news)
        return proto.DiffResponse(
            changes=_CHANGES[found.changes],
            replaces=found.replaces or [],
            deleteBeforeReplace=bool(found.delete_before_replace),
        )

    async def Create(self, request: Any, context: Any) -> proto.CreateResponse:
        """Make a resource."""
        props = _read(request.properties)
        made = await _done(context, self._code(props).create, props)
        return proto.CreateResponse(id=made.id, properties=await _written(made.outs, props))

    async def Read(self, request: Any, context: Any) -> proto.ReadResponse:
        """Return the current state of a resource."""
        props = _read(request.properties)
        found = await _done(context, self._code(props).read, request.id, props)
        answer = proto.ReadResponse(id=found.id, properties=await _written(found.outs, props))
        if found.inputs is not None:
            answer.inputs.CopyFrom(await _written(found.inputs, props))
        return answer

    async def Update(self, request: Any, context: Any) -> proto.UpdateResponse:
        """Change a resource."""
        olds, news = _read(request.olds), _read(request.news)
        made = await _done(context, self._code(news).update, request.id, olds, news)
        return proto.UpdateResponse(properties=await _written(made.outs, news))

    async def Delete(self, request: Any, context: Any) -> Empty:
        """Remove a resource."""
        props = _read(request.properties)
        await _done(context, self._code(props).delete, request.id, props)
        return Empty()

    def _code(self, props: Mapping[str, Any]) -> ResourceProvider:
        """Return what implements the resource with these properties, configured once."""
        if self._request is None:
            raise RuntimeError("this provider serves components alone")
        # The SDK's settings belong to a context, and each call has a separate one.
        configure(Settings(project=self._project, stack="stack", organization="organization"))
        pickled = str(props[_CODE])
        if pickled not in self._loaded:
            # The stack's own state says it, as it does to pulumi-python.
            code: ResourceProvider = pickle.loads(base64.b64decode(pickled))  # noqa: S301
            code.configure(self._request)
            self._loaded[pickled] = code
        return self._loaded[pickled]


_CHANGES = {
    None: proto.DiffResponse.DIFF_UNKNOWN,
    True: proto.DiffResponse.DIFF_SOME,
    False: proto.DiffResponse.DIFF_NONE,
}


async def _done(context: Any, work: Callable[..., Any], *args: Any) -> Any:
    """Do the work beside other calls; a failure is reported to the engine."""
    try:
        return await asyncio.to_thread(work, *args)
    except Exception as error:
        return await context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _read(properties: Struct) -> dict[str, Any]:
    read: dict[str, Any] = rpc.deserialize_properties(properties, keep_unknowns=True)
    return read


async def _written(outputs: Mapping[str, Any] | None, props: Mapping[str, Any]) -> Struct:
    """Return outputs as the engine keeps them: with the code, which the next call needs."""
    return await rpc.serialize_properties({**(outputs or {}), _CODE: props[_CODE]}, {})
