"""Stands between the engine and a policy pack until the pack can be started.

A pack written for `pulumi_policy` reads its stack's name and config from the environment, when it
starts. The engine passes them only later, by a call to the running pack. So the host serves in the
pack's place, waits for that call, starts the pack with what it says, and from then on hands every
call through, byte for byte.
"""

import functools
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any

import grpc

from offline.host.protocol import CHANNEL_OPTIONS

LOOPBACK = "127.0.0.1"
_THREADS = 16
_SERVICE = "pulumirpc.Analyzer"
_FORWARDED = (
    "Analyze",
    "AnalyzeStack",
    "Configure",
    "GetAnalyzerInfo",
    "GetPluginInfo",
    "Remediate",
)


class PolicyProxy:
    """The analyzer service of one policy pack, before and while the pack itself runs."""

    def __init__(self) -> None:
        self._configuration: Future[bytes | None] = Future()
        self._pack: Future[grpc.Channel] = Future()
        self._first_line: bytes | None = b""
        self._lock = Lock()
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS), handlers=[self._handlers()], options=CHANNEL_OPTIONS
        )
        self.port: int = self._server.add_insecure_port(f"{LOOPBACK}:0")
        self._server.start()

    def configure(self, message: bytes | None) -> None:
        """Say what `await_configuration` waits for; the first one counts."""
        with self._lock:
            if not self._configuration.done():
                self._configuration.set_result(message)

    def await_configuration(self) -> bytes | None:
        """Wait for the engine's message about the stack.

        None when the engine calls anything else first, as for `pulumi policy publish`, which has
        no stack.
        """
        return self._configuration.result()

    def take_port(self, output: bytes) -> bytes:
        """Use the first line of the pack's `output`, its port, and give back what follows it.

        `output` comes in pieces; the empty one is its end.
        """
        if self._first_line is None:
            return output
        self._first_line += output
        line, newline, rest = self._first_line.partition(b"\n")
        if newline and line.strip().isdigit():
            self._first_line = None
            self._attach(int(line))
            return rest
        if newline or not output:
            rest, self._first_line = self._first_line, None
            self._fail(
                f"the policy pack began with {line.decode(errors='replace')!r} instead of its port"
                if newline
                else "the policy pack ended before it served; its own output says why"
            )
            return rest
        return b""

    def _attach(self, port: int) -> None:
        """Hand calls to the pack that serves at `port`, the stack's configuration first."""
        channel = grpc.insecure_channel(f"{LOOPBACK}:{port}", options=CHANNEL_OPTIONS)
        configuration = self._configuration.result()
        if configuration is not None:
            try:
                _call(channel, "ConfigureStack", configuration)
            except grpc.RpcError as error:
                # Packs made with an older pulumi_policy do not know the call, and need it not.
                if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
                    channel.close()
                    self._fail(f"the policy pack refused its stack: {error.details()}")
                    return
        self._pack.set_result(channel)

    def _fail(self, reason: str) -> None:
        """Answer every call, also those that wait already, with an error."""
        if not self._pack.done():
            self._pack.set_exception(RuntimeError(reason))

    def close(self) -> None:
        """Stop serving."""
        self._fail("the policy pack has ended")
        self._server.stop(grace=None)
        if self._pack.exception() is None:
            self._pack.result().close()

    def _handlers(self) -> grpc.GenericRpcHandler:
        behaviours = {
            **dict.fromkeys(_FORWARDED, self._forward),
            "Handshake": self._greet,
            "ConfigureStack": self._configure,
            "Cancel": self._cancel,
        }
        return grpc.method_handlers_generic_handler(
            _SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(functools.partial(behaviour, name))
                for name, behaviour in behaviours.items()
            },
        )

    def _greet(self, name: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        return b""  # An answer without fields.

    def _configure(self, name: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.configure(request)
        return b""

    def _cancel(self, name: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        return self._forward(name, request, context) if self._pack.done() else b""

    def _forward(self, name: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.configure(None)
        try:
            return _call(self._pack.result(), name, request)
        except RuntimeError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            raise
        except grpc.RpcError as error:
            # Details of an error travel as metadata.
            metadata: Any = error.trailing_metadata() or ()
            context.set_trailing_metadata(metadata)
            context.abort(error.code(), error.details() or "")
            raise


def _call(channel: grpc.Channel, name: str, request: bytes) -> bytes:
    method = channel.unary_unary(f"/{_SERVICE}/{name}", _unchanged, _unchanged)
    answer: bytes = method(request)
    return answer


def _unchanged(message: bytes) -> bytes:
    return message
