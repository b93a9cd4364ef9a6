"""`pulumi-resource-digitalocean ENGINE_ADDRESS`: serves the engine until the engine ends."""

import os
import signal
import sys
import threading

_WATCH_SECONDS = 0.25
_MESSAGE_LIMIT_BYTES = 400 * 1024 * 1024


def main() -> int:
    """Serve; returns the exit code."""
    parent = os.getppid()
    # What gRPC notes of connections that end would be shown to the user.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from pulumi.runtime.proto import provider_pb2_grpc

    from tests.fakes.spaces_plugin.service import SpacesProvider

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = grpc.server(
        ThreadPoolExecutor(max_workers=16),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_LIMIT_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_LIMIT_BYTES),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(SpacesProvider(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    # The engine waits for this line.
    os.write(sys.stdout.fileno(), f"{port}\n".encode())
    while os.getppid() == parent and not stop.wait(_WATCH_SECONDS):
        pass
    server.stop(grace=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
