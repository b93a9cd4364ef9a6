"""`nix-cache push` against servers that are busy, down or stuck, and when it is interrupted."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator

import psutil
import pytest

from nix_cache.cli.limits import TIMES
from nix_cache.formats.narinfo import narinfo_key
from tests.e2e import store_paths
from tests.e2e.cache import Cache
from tests.e2e.nix import Nix
from tests.e2e.store_paths import Closure
from tests.e2e.writer import WritingMachine
from tests.fakes.faulty_proxy import Fault, FaultyProxy
from tests.waiting import wait_until

WAIT_SECONDS = 60


class UploadProxy(FaultyProxy):
    """A proxy that does something to the first uploads."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.fault_of_uploads = Fault.NONE
        self.faulty_uploads = 0

    def treatment(self, request: str) -> tuple[Fault, bool]:
        """Return what to do to a request, and whether its response is passed on."""
        fault, is_answered = super().treatment(request)
        if request.startswith("PUT ") and self.faulty_uploads > 0:
            self.faulty_uploads -= 1
            return self.fault_of_uploads, is_answered
        return fault, is_answered


@pytest.fixture
def proxy(cache: Cache) -> Iterator[UploadProxy]:
    """Provide a proxy in front of the shared cache's server."""
    with UploadProxy(cache.outputs["manifest"]["endpoint"].partition("//")[2]) as proxy:
        yield proxy


@pytest.fixture
def machine(nix: Nix, cache: Cache, proxy: UploadProxy) -> WritingMachine:
    """Provide a machine that writes through the proxy."""
    return WritingMachine(nix, cache, address=proxy.address)


@pytest.fixture
def closure(machine: WritingMachine) -> Closure:
    """Something to push."""
    return store_paths.build(machine.nix, 2)


def heal_after_a_while(proxy: UploadProxy) -> None:
    """Let a server be well again once the push itself tries again, after the transport's tries."""
    wait_until(
        lambda: max(Counter(proxy.requests).values(), default=0) > TIMES.tries,
        "asked for anything again",
        seconds=WAIT_SECONDS,
    )
    proxy.heal()


def test_a_server_that_is_busy_for_a_while_is_asked_again(
    machine: WritingMachine, proxy: UploadProxy, closure: Closure
) -> None:
    """The push waits, says so, and succeeds."""
    proxy.fail(Fault.BUSY)
    healing = threading.Thread(target=heal_after_a_while, args=(proxy,))
    healing.start()

    done = machine.run("push", closure.root)

    healing.join()
    assert done.exit_code == 0, done.output
    assert "is busy (503 SlowDownRead); trying again in" in done.err


def test_uploads_that_a_busy_server_refused_are_done_again(
    machine: WritingMachine, proxy: UploadProxy, closure: Closure, cache: Cache
) -> None:
    """Also after the tries of one request."""
    proxy.fault_of_uploads, proxy.faulty_uploads = Fault.BUSY, 7

    done = machine.run("push", closure.root)

    assert done.exit_code == 0, done.output
    assert "is busy (503 SlowDownRead)" in done.err
    assert "trying again in" in done.err
    assert {narinfo_key(path) for path in closure.paths} <= cache.keys()


def test_a_server_that_stays_busy_is_given_up_with_a_reason(
    machine: WritingMachine, proxy: UploadProxy, closure: Closure
) -> None:
    """After a few tries there is one error, and it says what to do."""
    proxy.fail(Fault.BUSY)

    done = machine.run("push", closure.root)

    assert done.exit_code == 1, done.output
    assert done.err.count("trying again in") == 3
    assert done.err.splitlines()[-1].startswith("error: the storage at http://127.0.0.1:")
    assert "is busy (503 SlowDownRead); try again later" in done.err.splitlines()[-1]


@pytest.mark.parametrize("fault", [Fault.DOWN, Fault.RESET])
def test_a_server_that_does_not_answer_is_named(
    machine: WritingMachine, proxy: UploadProxy, closure: Closure, fault: Fault
) -> None:
    """The address and the reason, not a traceback."""
    proxy.fail(fault)

    done = machine.run("push", closure.root)

    assert done.exit_code == 1, done.output
    last = done.err.splitlines()[-1]
    assert last.startswith(f"error: the storage at http://{proxy.address} does not answer: ")
    assert "Traceback" not in done.err
    assert len(last) < 200, last


def test_an_interrupted_push_ends_with_all_of_its_children(
    machine: WritingMachine, proxy: UploadProxy, closure: Closure
) -> None:
    """Nothing goes on in the background, and the same push later succeeds."""
    proxy.fault_of_uploads, proxy.faulty_uploads = Fault.HANG, 1
    pushing = machine.start("push", closure.root)
    wait_until(
        lambda: any(request.startswith("PUT ") for request in proxy.requests),
        "an upload",
        seconds=WAIT_SECONDS,
    )
    children = psutil.Process(pushing.pid).children(recursive=True)

    pushing.send_signal(signal.SIGINT)
    output, _ = pushing.communicate(timeout=WAIT_SECONDS)

    assert pushing.returncode == 130, output
    assert "Traceback" not in output
    assert children
    assert not psutil.wait_procs(children, timeout=5)[1]
    assert sorted(closure.paths) == machine.push(closure.root)["pushed"]
