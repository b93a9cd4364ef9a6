"""`python -m offline.host ENGINE_ADDRESS`: serves the engine until the engine ends."""

import os
import re
import signal
import socket
import sys
import threading

from offline.host import EMULATOR, SDK_VERSION

WATCH_SECONDS = 0.25
"""How often the host looks whether its engine, the process that started it, still lives."""

_CONNECT_TIMEOUT_SECONDS = 5
_USAGE_ERROR = 2
_IGNORED_FLAG = re.compile(r"--?(logtostderr|logflow|v=\d+|tracing=.*)")
_IGNORED_FLAG_WITH_VALUE = re.compile(r"--?(v|tracing)")


def engine_address(arguments: list[str]) -> str:
    """Return the engine's address from the command line, whose logging flags mean nothing here.

    Raises ValueError, with what is wrong, for anything else.
    """
    rest = [*arguments]
    while rest and rest[0].startswith("-"):
        flag = rest.pop(0)
        if _IGNORED_FLAG_WITH_VALUE.fullmatch(flag) and rest:
            rest.pop(0)
        elif not _IGNORED_FLAG.fullmatch(flag):
            raise ValueError(f"unknown flag {flag!r}")
    if len(rest) != 1:
        raise ValueError(f"expected one address of the engine, got {rest!r}")
    host, colon, port = rest[0].rpartition(":")
    if not (host and colon and port.isdigit()):
        raise ValueError(f"{rest[0]!r} is not an address of the form HOST:PORT")
    return rest[0]


def serve(address: str, parent: int) -> None:
    """Serve the engine at `address` until a signal comes or the process `parent` has ended."""
    # What gRPC notes of connections that end would be shown to the user as the program's output.
    # It reads the variable when the first server is made; programs must not inherit it.
    quiet = "GRPC_VERBOSITY" not in os.environ
    if quiet:
        os.environ["GRPC_VERBOSITY"] = "ERROR"
    # gRPC takes a tenth of a second to import; mistakes in the command line show before.
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    from offline.host.protocol import CHANNEL_OPTIONS, language_pb2_grpc
    from offline.host.service import LanguageHost

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    host = LanguageHost(address)
    # Each running plugin keeps a thread, the program one more; idle threads are not started.
    server = grpc.server(ThreadPoolExecutor(max_workers=64), options=CHANNEL_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    if quiet:
        del os.environ["GRPC_VERBOSITY"]
    # The engine waits for this line. Later output of programs follows it on the same pipe.
    os.write(sys.stdout.fileno(), f"{port}\n".encode())
    while os.getppid() == parent and not stop.wait(WATCH_SECONDS):
        pass
    host.stop()


def check_engine(address: str) -> None:
    """Raise OSError when no engine listens: it has ended before the host could watch it."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT_SECONDS).close()


def main(arguments: list[str]) -> int:
    """Serve as the command line says; returns the exit code."""
    parent = os.getppid()
    if arguments in (["--version"], ["-version"]):
        print(SDK_VERSION)
        return 0
    try:
        address = engine_address(arguments)
        check_engine(address)
    except ValueError as error:
        print(f"{EMULATOR}: {error}; usage: pulumi-language-python HOST:PORT", file=sys.stderr)
        return _USAGE_ERROR
    except OSError as error:
        print(f"{EMULATOR}: no engine at {address}: {error}", file=sys.stderr)
        return 1
    serve(address, parent)
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that still wait for calls of an engine that has gone must not keep the process.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
