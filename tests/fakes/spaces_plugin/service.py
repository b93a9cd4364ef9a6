"""The calls that the engine makes to the plugin. What is not here is refused, by name."""

# ruff: noqa: N802 - names of the protocol
import contextlib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, NoReturn

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from pulumi.runtime.proto.status_pb2 import Status
from pulumi_digitalocean.provider import ProviderArgs

from tests.fakes.spaces_plugin import FAKE
from tests.fakes.spaces_plugin.account import Account, RefusedError
from tests.fakes.spaces_plugin.bucket import Bucket
from tests.fakes.spaces_plugin.bucket_object import BucketObject
from tests.fakes.spaces_plugin.bucket_policy import BucketPolicy
from tests.fakes.spaces_plugin.cdn import Cdn
from tests.fakes.spaces_plugin.differences import differences, response
from tests.fakes.spaces_plugin.inputs import names
from tests.fakes.spaces_plugin.key import Key
from tests.fakes.spaces_plugin.kind import Kind, UnfinishedError
from tests.fakes.spaces_plugin.wire import UNKNOWN, Properties, has_unknown, received, sent

KINDS: dict[str, Kind] = {
    kind.token: kind for kind in (Bucket(), BucketObject(), BucketPolicy(), Cdn(), Key())
}
_SECRET_SETTINGS = frozenset({"token"})
UNSUPPORTED = (
    "Attach",
    "Call",
    "Construct",
    "GetMapping",
    "GetMappings",
    "GetSchema",
    "Handshake",
    "Invoke",
    "List",
    "Parameterize",
)
"""Calls of the protocol that this plugin refuses."""


class SpacesProvider(provider_pb2_grpc.ResourceProviderServicer):
    """One provider, for one account."""

    def __init__(self) -> None:
        self._account: Account | None = None

    def GetPluginInfo(self, request: Any, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the version of the SDK whose types it goes by."""
        return plugin_pb2.PluginInfo(version=version("pulumi-digitalocean"))

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Return whether there are such settings. Their values are text, whatever they mean."""
        config = received(request.news)
        unknown = sorted(config.keys() - names(ProviderArgs) - {"version", "pluginDownloadURL"})
        return provider_pb2.CheckResponse(
            inputs=sent(config, _SECRET_SETTINGS),
            failures=[
                provider_pb2.CheckFailure(property=name, reason=f"{name} is an unknown setting")
                for name in unknown
            ],
        )

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Another account replaces nothing."""
        old, new = received(request.olds), received(request.news)
        changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
        changes = provider_pb2.DiffResponse
        return provider_pb2.DiffResponse(
            changes=changes.DIFF_SOME if changed else changes.DIFF_NONE, diffs=changed
        )

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Which account it is. Previews are supported; secrets are wanted in clear."""
        self._account = Account(received(request.args))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """All that is wrong with a resource's inputs."""
        with _refusals(context):
            kind = _kind(request.urn)
            inputs = received(request.news)
            found = kind.failures(inputs)
        return provider_pb2.CheckResponse(
            inputs=sent(kind.with_defaults(inputs)),
            failures=[
                provider_pb2.CheckFailure(property=name, reason=f"{name} {reason}")
                for name, reason in found
            ],
        )

    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Return what has to change."""
        with _refusals(context):
            kind = _kind(request.urn)
            there, wanted = received(request.olds), received(request.news)
            ignored = set(request.ignoreChanges)
        return response([d for d in differences(kind, there, wanted) if d.name not in ignored])

    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Make a resource, or say what would be known of it."""
        with _refusals(context):
            kind = _kind(request.urn)
            inputs = received(request.properties)
            if request.preview:
                expected = {**dict.fromkeys(kind.outputs, UNKNOWN), **inputs}
                return provider_pb2.CreateResponse(properties=sent(expected, kind.secret))
            id_, state = kind.create(self._known_account(inputs), inputs)
        return provider_pb2.CreateResponse(id=id_, properties=sent(state, kind.secret))

    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """Return a resource as it is now. Without a state, it is one that is to be imported."""
        with _refusals(context):
            kind = _kind(request.urn)
            known, inputs, id_ = received(request.properties), received(request.inputs), request.id
            is_import = not known
            if is_import:
                id_, known = kind.imported(id_)
            state = kind.read(self._known_account({}), id_, known)
        if state is None:
            return provider_pb2.ReadResponse()
        asked = kind.input_names() - kind.computed if is_import else inputs.keys()
        # As officially, the input stays where nothing is there.
        current = {name: state.get(name) or inputs.get(name) for name in asked}
        return provider_pb2.ReadResponse(
            id=id_, properties=sent(state, kind.secret), inputs=sent(current)
        )

    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Change a resource, or say what would be known of it."""
        with _refusals(context):
            kind = _kind(request.urn)
            state, inputs = received(request.olds), received(request.news)
            if request.preview:
                expected = {**state, **inputs}
                return provider_pb2.UpdateResponse(properties=sent(expected, kind.secret))
            changed = kind.update(self._known_account(inputs), request.id, state, inputs)
        return provider_pb2.UpdateResponse(properties=sent(changed, kind.secret))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Remove a resource."""
        with _refusals(context):
            state = received(request.properties)
            _kind(request.urn).delete(self._known_account({}), request.id, state)
        return Empty()

    def Cancel(self, request: Any, context: grpc.ServicerContext) -> Empty:
        """Nothing waits here for long."""
        return Empty()

    def _known_account(self, inputs: Properties) -> Account:
        if self._account is None:
            raise RefusedError(f"{FAKE} was not configured")
        if has_unknown(inputs):
            raise RefusedError("something is not known that has to be")
        return self._account


def _kind(urn: str) -> Kind:
    token = urn.split("::")[2].rpartition("$")[2]
    if token not in KINDS:
        raise RefusedError(f"{FAKE} has no type {token}; use the official plugin for it")
    return KINDS[token]


@contextlib.contextmanager
def _refusals(context: grpc.ServicerContext) -> Iterator[None]:
    """Report to the engine what failed, and what was created nevertheless."""
    try:
        yield
    except UnfinishedError as error:
        detail = AnyMessage()
        detail.Pack(
            provider_pb2.ErrorResourceInitFailed(
                id=error.id, properties=sent(error.state), reasons=[str(error)]
            )
        )
        code = grpc.StatusCode.UNKNOWN
        status = Status(code=code.value[0], message=str(error), details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, str(error))
    except RefusedError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _refuse_call(name: str) -> Callable[..., NoReturn]:
    def refuse(self: SpacesProvider, request: Any, context: grpc.ServicerContext) -> NoReturn:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{name} is not supported by {FAKE}")
        raise AssertionError("abort raises")

    return refuse


for _name in UNSUPPORTED:
    setattr(SpacesProvider, _name, _refuse_call(_name))
