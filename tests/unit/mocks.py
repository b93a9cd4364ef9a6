"""Pulumi's mocks, with a record of every resource as it was asked for, options included."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.output import _OutputData
from pulumi.runtime import rpc, set_mocks, test
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks

from tests.fakes import aws_answers


@dataclass(frozen=True)
class Registered:
    """One resource as it was asked for.

    Attributes:
        type: its type token.
        name: its name in the stack.
        inputs: its properties, secrets unwrapped.
        secret_inputs: the names of those properties that came as secrets.
        parent: the parent's name.
        protect: whether it refuses to be deleted.
        depends_on: the names of the resources that it waits for by option.
        secret_outputs: the outputs that are to be kept as secrets.
        size_bytes: of the request. The state grows by about as much.
        frames: how many frames of the call stack came along.
        code: of a dynamic resource, what the state keeps of its provider.
        former: the types and names under which earlier versions made it.
    """

    type: str
    name: str
    inputs: dict[str, Any]
    secret_inputs: frozenset[str]
    parent: str
    protect: bool
    depends_on: frozenset[str]
    secret_outputs: frozenset[str]
    size_bytes: int
    frames: int
    code: str
    former: frozenset[tuple[str, str]]


@dataclass
class Recorder(Mocks):
    """Answers like the providers do, and remembers what it was asked.

    Attributes:
        taken: by name on the server, the problem that a reservation of it finds.
        answers: by function, what it gives back, or the text of its failure.
    """

    taken: dict[str, str] = field(default_factory=dict)
    answers: dict[str, dict[str, Any] | str] = field(default_factory=dict)
    resources: list[Registered] = field(default_factory=list)

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Register a resource; what a provider would compute is added to its inputs."""
        inputs = args.inputs
        computed: dict[str, Any] = {}
        if args.typ == "minio:index/iamUser:IamUser":
            computed = {"secret": f"secret-of-{inputs['name']}"}
        elif args.typ.endswith(":SigningKey"):
            name = inputs["key_name"]
            computed = {"public_key": f"{name}:PUBLIC", "secret_key": f"{name}:SECRET"}
        elif args.typ.endswith(":NameReservation"):
            computed = {"problem": self._problem(inputs)}
        elif args.typ.endswith(":B2Key"):
            computed = {"secret_access_key": f"secret-of-{inputs['key_name']}"}
        elif args.typ in aws_answers.OUTPUTS:
            computed = aws_answers.OUTPUTS[args.typ](inputs)
        return f"{args.name}-id", {**inputs, **computed}

    def _problem(self, reserved: dict[str, Any]) -> str:
        if reserved["backend"] == "aws":
            return "" if reserved["adopt"] else str(reserved["taken"])
        if reserved["backend"] == "minio":
            names = [name.partition("/")[2] for name in reserved["names"]]
        else:
            names = [reserved["bucket"]]
        return "\n".join(filter(None, map(self.taken.get, names)))

    def call(self, args: MockCallArgs) -> Any:
        """Answer as a provider does; refuse every function that no test expects."""
        if args.token not in self.answers:
            raise AssertionError(f"unexpected call of {args.token}")
        answer = self.answers[args.token]
        return answer if isinstance(answer, dict) else ({}, [(args.token, answer)])

    def one(self, type_ending: str, name: str) -> Registered:
        """Return the only resource of a type and a name."""
        found = [r for r in self.resources if r.type.endswith(type_ending) and r.name == name]
        assert len(found) == 1, [(r.type, r.name) for r in self.resources]
        return found[0]

    def names(self, type_ending: str) -> list[str]:
        """Return the names of all resources of a type, sorted."""
        return sorted(r.name for r in self.resources if r.type.endswith(type_ending))


class _Monitor(MockMonitor):
    """The mocks' monitor, which also looks at the options that mocks do not get."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._recorder = recorder

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the protocol's name
        properties = rpc.deserialize_properties(request.object, keep_unknowns=True)
        secret = {key for key, value in properties.items() if rpc.is_rpc_secret(value)}
        if not request.type.startswith("pulumi:"):
            self._recorder.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    inputs={
                        key: rpc.unwrap_rpc_secret(value)
                        for key, value in properties.items()
                        if key != "__provider"
                    },
                    secret_inputs=frozenset(secret - {"__provider"}),
                    parent=_name(request.parent),
                    protect=request.protect,
                    depends_on=frozenset(map(_name, request.dependencies)),
                    secret_outputs=frozenset(request.additionalSecretOutputs),
                    size_bytes=request.ByteSize(),
                    frames=len(request.stackTrace.frames),
                    code=rpc.unwrap_rpc_secret(properties.get("__provider", "")),
                    former=frozenset((a.spec.type, a.spec.name) for a in request.aliases),
                )
            )
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def run(program: Callable[[], Any], recorder: Recorder | None = None) -> Recorder:
    """Run a program under mocks to its end; what it returns is awaited.

    Raises:
        Exception: whatever the program raises.
    """
    recorder = recorder or Recorder()
    set_mocks(recorder, project="nix-cache", stack="unit", monitor=_Monitor(recorder))
    test(program)()  # type: ignore[no-untyped-call]
    return recorder


def unresolved(*, is_secret: bool = False) -> pulumi.Output[Any]:
    """Return an output of a resource that a preview has not made."""
    data: asyncio.Future[_OutputData[Any]] = asyncio.get_event_loop().create_future()
    data.set_result(_OutputData(resources=set(), value=None, is_known=False, is_secret=is_secret))
    return pulumi.Output._from_data(data)


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]
