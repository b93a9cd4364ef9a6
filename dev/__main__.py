"""The commands behind `make`: up, preview, repair, down, status and env."""

import argparse
import shlex
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from dev import report
from dev.errors import DevError
from dev.place import Place, private_folder
from dev.repair import is_half_made, mend, remove_half_made_bucket
from dev.server import LocalServer
from dev.stack import Stack, variables
from nix_cache.client import console
from nix_cache.storage.minio_connection import MinioServerError
from nix_cache.storage.minio_server import MinioServer
from toolchain import engine
from toolchain.errors import ToolchainError


def up(place: Place) -> None:
    """Start the local server and bring the stack up."""
    stack, server = _ready(place)
    if bucket := remove_half_made_bucket(stack, server):
        console.note(f"the bucket {bucket}, which an interrupted run left empty, is made anew")
    changes = stack.up(refresh=is_half_made(stack))
    report.summary(stack.outputs(), changes)


def preview(place: Place) -> None:
    """Show what `up` would do."""
    stack, _ = _ready(place)
    stack.preview()


def repair(place: Place) -> None:
    """Look at what is really there and put back what was changed or removed outside."""
    stack, server = _ready(place)
    for done in mend(stack, server):
        console.note(done)
    changes = stack.up(refresh=True)
    report.summary(stack.outputs(), changes)


def down(place: Place) -> None:
    """Remove the stack, stop the server, and remove all that they kept."""
    local = LocalServer(place.server)
    if any(place.state.glob(".pulumi/stacks/*/*.json")):
        stack, server = _ready(place)
        for bucket in stack.disposable_buckets():
            # The provider empties a bucket too, but ends itself when it finds that it has done so.
            server.empty(bucket)
        stack.destroy()
        stack.forget_salt()
    local.stop()
    local.remove()
    place.remove_state()
    console.note("everything that `make up` made is removed; built tools stay in the cache")


def status(place: Place) -> None:
    """Tell what runs, what the stack has, and what the toolchain is made of."""
    found = _engine(place)
    local = LocalServer(place.server)
    process = local.process()
    stack = Stack(place, found)
    report.facts(
        [
            ("MinIO", f"{local.url}, process {process.pid}" if process else "does not run"),
            ("stack", f"{len(stack.resources())} resources" if stack.exists else "not there"),
        ]
    )
    report.parts(found.parts)


def env(place: Place) -> None:
    """Print the environment for a shell. Paths only: no value in it is a secret."""
    found = _engine(place)
    path = ":".join(shlex.quote(str(folder)) for folder in found.bin_dirs)
    names = {"PULUMI_HOME": str(found.home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    own = shlex.quote(sysconfig.get_path("scripts"))  # last: nix-cache, and nobody's python
    print(f'export PATH={path}:"$PATH":{own}')
    print("unset PULUMI_CONFIG_PASSPHRASE")  # it would win over the file
    for name, value in {**names, **variables(place)}.items():
        print(f"export {name}={shlex.quote(value)}")


_COMMANDS: dict[str, Callable[[Place], None]] = {
    command.__name__: command for command in (up, preview, repair, down, status, env)
}


def _engine(place: Place) -> engine.Engine:
    private_folder(place.work)
    return engine.provide(place.work, report.progress())


def _ready(place: Place) -> tuple[Stack, MinioServer]:
    """A stack that can be worked on: checked, its server up and answering."""
    found = _engine(place)
    report.parts(found.parts)
    local = LocalServer(place.server, found.minio)
    local.prepare()
    stack = Stack(place, found)
    stack.check_config()
    local.start()
    stack.prepare()
    return stack, MinioServer(local.connection())


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m dev", description=__doc__)
    parser.add_argument("command", choices=_COMMANDS)
    command = _COMMANDS[parser.parse_args(arguments).command]
    try:
        command(Place(Path.cwd()))
    except (DevError, MinioServerError, ToolchainError) as failure:
        console.error(failure)
        return 1
    except KeyboardInterrupt:
        console.error("interrupted; run the same command again to go on")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
