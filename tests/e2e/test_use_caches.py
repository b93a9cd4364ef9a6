"""`nix-cache use` on real caches: what it writes is all that the real Nix needs."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import store_paths
from tests.e2e.cache import READER, WRITER, Cache
from tests.e2e.conftest import NewNix
from tests.e2e.nix import Nix
from tests.e2e.store_paths import Closure
from tests.engine.project import STACK
from tests.waiting import wait_until

PATHS = 3
DAEMON_SECONDS = 20


def use(nix: Nix, *arguments: str, given: str = "", path: str = "") -> str:
    """Run the command as the machine's user, which has to succeed; gives what it says."""
    environment = dict(nix.environment)
    if path:
        environment["PATH"] = f"{path}:{environment['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "nix_cache.cli", "use", *arguments],
        env=environment,
        cwd=nix.home,
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@contextlib.contextmanager
def daemon(nix: Nix, **variables: str) -> Iterator[None]:
    """Provide a daemon of the machine, which its Nix talks to.

    Args:
        nix: the machine.
        variables: what the daemon has in its environment besides.
    """
    process = subprocess.Popen(
        [nix.bin / "nix", "daemon"],
        env={**nix.environment, **variables},
        cwd=nix.home,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    socket = nix.store_folder / "var" / "nix" / "daemon-socket" / "socket"
    own_store = nix.environment["NIX_REMOTE"]
    try:
        nix.environment["NIX_REMOTE"] = "daemon"
        wait_until(
            lambda: socket.exists() and nix.run("store", "info").exit_code == 0,
            "a daemon that answers",
        )
        yield
    finally:
        nix.environment["NIX_REMOTE"] = own_store
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=DAEMON_SECONDS)
        socket.unlink(missing_ok=True)


def pushed(cache: Cache, nix: Nix) -> Closure:
    """Return a closure in a cache, from a machine that has only this cache's credentials."""
    built = store_paths.build(nix, PATHS)
    nix.credentials.unlink(missing_ok=True)
    cache.let_write(nix)
    copied = cache.push(nix, built.root)
    assert copied.exit_code == 0, copied.output
    return built


@pytest.fixture(scope="module")
def closure(cache: Cache, module_nix: Nix) -> Closure:
    """Provide a closure in the public cache."""
    return pushed(cache, module_nix)


@pytest.fixture(scope="module")
def private_closure(private_cache: Cache, module_nix: Nix) -> Closure:
    """Provide a closure in the private cache."""
    return pushed(private_cache, module_nix)


def assert_pulls(nix: Nix, closure: Closure) -> None:
    """Check that a build gets the closure from the cache, byte for byte."""
    pulled = nix.realise(closure.root)
    assert pulled.exit_code == 0, pulled.output
    assert nix.nar_hashes(closure.paths) == closure.nar_hashes


def test_the_url_of_a_public_cache_is_enough(
    cache: Cache, closure: Closure, new_nix: NewNix
) -> None:
    """Before, the machine cannot pull, and after the removal it cannot either."""
    nix = new_nix()
    before = nix.conf.read_bytes()
    assert nix.realise(closure.root).exit_code != 0

    said = use(nix, cache.read_url, "--yes")

    assert "WARNING" not in said
    assert_pulls(nix, closure)
    use(nix, cache.read_url, "--remove")
    assert nix.conf.read_bytes() == before
    nix.collect_garbage()
    nix.forget_caches()
    assert nix.realise(closure.root).exit_code != 0


def test_a_private_cache_pulls_with_the_readers_credentials(
    private_cache: Cache, private_closure: Closure, new_nix: NewNix
) -> None:
    """From all outputs on standard input; without them it does not pull."""
    nix = new_nix()
    use(nix, "-", given=json.dumps(private_cache.outputs))
    profiles = nix.credentials.read_bytes()
    nix.credentials.unlink()
    assert nix.realise(private_closure.root).exit_code != 0
    nix.forget_caches()

    nix.credentials.write_bytes(profiles)

    assert_pulls(nix, private_closure)


def test_a_stack_is_asked_for_the_secrets_that_a_private_cache_takes(
    private_cache: Cache, private_closure: Closure, nix: Nix, tmp_path: Path
) -> None:
    """Through the real engine, by the stack's name and the program's folder."""
    project = private_cache.project
    nix.environment.update(
        {name: value for name, value in project.variables().items() if name.startswith("PULUMI_")}
    )
    use(
        nix,
        *(STACK, "--project", str(project.folder)),
        path=project.variables()["PATH"],
    )

    assert READER in nix.credentials.read_text()
    assert WRITER not in nix.credentials.read_text()
    assert_pulls(nix, private_closure)


def test_a_running_daemon_takes_the_settings_when_it_is_restarted(
    cache: Cache, closure: Closure, nix: Nix
) -> None:
    """As `use` advises root."""
    with daemon(nix):
        use(nix, cache.read_url, "--yes")
        assert nix.realise(closure.root).exit_code != 0

    with daemon(nix):
        assert_pulls(nix, closure)


def test_a_running_daemon_takes_a_trusted_users_settings_at_once(
    cache: Cache, closure: Closure, nix: Nix
) -> None:
    """They come with the request, so nothing has to be restarted."""
    with daemon(nix):
        use(nix, cache.read_url, "--yes", "--user")

        assert_pulls(nix, closure)


def test_a_user_who_is_not_trusted_uses_what_root_lists_in_trusted_substituters(
    cache: Cache, closure: Closure, nix: Nix
) -> None:
    """Doctor's fix is complete: its lines in root's nix.conf, and a restart."""
    untrusted = "trusted-users = nobody"
    nix.configure(untrusted)
    use(nix, cache.read_url, "--yes", "--user")
    with daemon(nix, NIX_USER_CONF_FILES=""):
        assert nix.realise(closure.root).exit_code != 0
        [error] = findings(nix, "error")
        assert error["what"].startswith("the daemon does not trust this user")
        assert str(nix.conf) in error["fix"]

    nix.configure(untrusted, *error["items"])
    nix.forget_caches()
    with daemon(nix, NIX_USER_CONF_FILES=""):
        assert_pulls(nix, closure)
        assert findings(nix, "error") == []
        assert any("lets every user choose" in one["what"] for one in findings(nix, "ok"))


def findings(nix: Nix, level: str) -> list[dict[str, Any]]:
    """Return what doctor finds of one level about the machine."""
    done = subprocess.run(
        [sys.executable, "-m", "nix_cache.cli", "doctor", "--json", "--sample", "0"],
        env=nix.environment,
        cwd=nix.home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    found = [one for one in json.loads(done.stdout) if one["level"] == level]
    return [one for one in found if one["theme"] == "this machine"]


def test_the_daemon_pulls_from_a_private_cache(
    private_cache: Cache, private_closure: Closure, nix: Nix
) -> None:
    """With the credentials of its own user, not those of a user who asks."""
    use(nix, "-", given=json.dumps(private_cache.outputs))
    with daemon(nix):
        nix.environment["HOME"] = str(nix.folder / "nobody")

        assert_pulls(nix, private_closure)


def test_what_a_writer_builds_is_signed_at_once(cache: Cache, nix: Nix) -> None:
    """By the key that `--as` brought; a forgotten signature is a thing of the past."""
    use(nix, "-", "--as", WRITER, given=json.dumps(cache.outputs))

    built = store_paths.build(nix, PATHS)

    reported = json.loads(nix.get("path-info", "--json", "--recursive", built.root))
    infos = reported.values() if isinstance(reported, dict) else reported
    [key, *_] = cache.outputs["publicKeys"]
    assert len(infos) == PATHS
    for info in infos:
        assert [signature.partition(":")[0] for signature in info["signatures"]] == [
            key.partition(":")[0]
        ]
