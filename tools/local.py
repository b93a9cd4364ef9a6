"""The commands on the stack of development and its server: up, preview, down, status and env."""

import shlex
import sysconfig

from nix_cache.backends.minio.server import MinioServer
from nix_cache.cli.machine import console
from nix_cache.cli.stack.repair import is_half_made, remove_half_made
from tools import engine, report
from tools.leftovers import remove_leftovers
from tools.place import ClonePlace, private_folder
from tools.server import LocalServer
from tools.stack import LocalStack, variables


def up(place: ClonePlace) -> None:
    """Start the local server and bring the stack up."""
    stack, _ = ready(place)
    for removed in remove_half_made(stack):
        console.note(removed)
    refresh = is_half_made(stack)
    if stack.settle():
        console.note("Finished what an interrupted run had begun.")
    changes = stack.up(refresh=refresh)
    report.summary(stack.outputs(), changes)


def preview(place: ClonePlace) -> None:
    """Show what `up` would do."""
    stack, _ = ready(place)
    stack.preview()


def down(place: ClonePlace) -> None:
    """Remove the stack, stop the server, and remove all that they kept."""
    place.check_removable()
    local = LocalServer(place.server)
    if place.stacks():
        stack, server = ready(place)
        for bucket in stack.disposable_buckets():
            # The provider empties a bucket too, but ends itself when it finds that it has done so.
            server.empty(bucket)
        stack.destroy()
        stack.forget_salt()
    local.stop()
    local.remove()
    place.remove_state()
    console.note("Everything that `make up` created was removed. Built tools stay in the cache.")


def status(place: ClonePlace) -> None:
    """Show what runs, what the stack has, and what the toolchain is made of."""
    found = provide_engine(place)
    local = LocalServer(place.server)
    process = local.process()
    stack = LocalStack(place, found)
    report.facts(
        [
            ("MinIO", f"{local.url}, process {process.pid}" if process else "does not run"),
            ("stack", f"{len(stack.resources())} resources" if stack.exists else "not there"),
        ]
    )
    report.parts(found.parts)


def env(place: ClonePlace) -> None:
    """Print the environment for a shell. Paths only: no value in it is a secret."""
    found = provide_engine(place)
    path = ":".join(shlex.quote(str(folder)) for folder in found.bin_dirs)
    names = {"PULUMI_HOME": str(found.home), "PULUMI_SKIP_UPDATE_CHECK": "true"}
    own = shlex.quote(sysconfig.get_path("scripts"))  # last: nix-cache, but not this python
    print(f'export PATH={path}:"$PATH":{own}')
    print("unset PULUMI_CONFIG_PASSPHRASE")  # it would win over the file
    for name, value in {**names, **variables(place)}.items():
        print(f"export {name}={shlex.quote(value)}")


def provide_engine(place: ClonePlace) -> engine.Engine:
    """Return the engine that is worked with."""
    private_folder(place.work)
    return engine.provide(place.work, report.progress())


def ready(place: ClonePlace) -> tuple[LocalStack, MinioServer]:
    """Return a stack that can be worked on: checked, its server up and answering."""
    found = provide_engine(place)
    report.parts(found.parts)
    local = LocalServer(place.server, found.minio)
    local.prepare()
    stack = LocalStack(place, found)
    stack.check_config()
    local.start()
    if remove_leftovers(place.state):
        console.note("Removed the lock that a killed run left on the state.")
    stack.prepare()
    return stack, MinioServer(local.connection())
