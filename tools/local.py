"""The commands on a local stack and its server: up, preview, down, status and env."""

import shlex
import sysconfig
from dataclasses import replace

from nix_cache.cli.machine import console
from nix_cache.cli.stack.repair import is_half_made, remove_half_made
from tools import engine, report
from tools.leftovers import remove_leftovers
from tools.local_process import LocalProcess
from tools.place import ClonePlace, private_folder
from tools.stack import LocalStack, variables


def up(place: ClonePlace) -> None:
    """Start the local server and bring the stack up."""
    stack = ready(place)
    for removed in remove_half_made(stack):
        console.note(removed)
    refresh = is_half_made(stack)
    if stack.settle():
        console.note("Finished what an interrupted run had begun.")
    changes = stack.up(refresh=refresh)
    report.summary(place.stack, stack.outputs(), changes)


def preview(place: ClonePlace) -> None:
    """Show what `up` would do."""
    ready(place).preview()


def down(place: ClonePlace) -> None:
    """Remove the stack, stop the server, and remove all that they kept."""
    place.check_removable()
    if place.stack in place.stacks():
        stack = ready(place)
        _empty(place, stack.disposable_buckets())
        stack.destroy()
        stack.forget_salt()
    local = server_of(place)
    local.stop()
    local.remove()
    place.remove_state()
    console.note(
        f"Everything that `{place.local.up}` created was removed. Built tools stay in the cache."
    )


def status(place: ClonePlace) -> None:
    """Show what runs, what the stack has, and what the toolchain is made of."""
    found = provide_engine(place)
    local = server_of(place)
    process = local.process()
    stack = LocalStack(place, found)
    report.facts(
        [
            (local.title, f"{local.url}, process {process.pid}" if process else "does not run"),
            (
                f"stack {place.stack}",
                f"{len(stack.resources())} resources" if stack.exists else "not there",
            ),
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
    """Return the engine that is worked with; its parts include the local server."""
    private_folder(place.work)
    if place.local.name == "minio":
        return engine.provide(place.work, report.progress())
    from tools.seaweedfs import program_version

    found = engine.provide(place.work, report.progress(), minio=False)
    server = engine.Part(place.local.title, program_version(), engine.PartOrigin.PACKAGE)
    return replace(found, parts=(*found.parts, server))


def server_of(place: ClonePlace, found: engine.Engine | None = None) -> LocalProcess:
    """Return the local server.

    Args:
        place: where the clone's things are.
        found: the engine, if the server is to be started.
    """
    if place.local.name == "minio":
        from tools.server import LocalServer

        return LocalServer(place.server, found.minio if found else None)
    from tools.seaweedfs import SeaweedServer, provide_program

    return SeaweedServer(place.server, provide_program() if found else None)


def ready(place: ClonePlace) -> LocalStack:
    """Return a stack that can be worked on: checked, its server up and answering."""
    found = provide_engine(place)
    local = server_of(place, found)
    report.parts(found.parts)
    local.prepare()
    stack = LocalStack(place, found)
    stack.check_config()
    local.start()
    if remove_leftovers(place.state):
        console.note("Removed the lock that a killed run left on the state.")
    stack.prepare()
    return stack


def _empty(place: ClonePlace, buckets: list[str]) -> None:
    """Empty buckets of the local MinIO.

    Its provider does so too, but ends itself when it finds that it has done so.
    """
    if not buckets:
        return
    from nix_cache.backends.minio.connection import Connection
    from nix_cache.backends.minio.server import MinioServer

    server = MinioServer(Connection.read(place.connection_file))
    for bucket in buckets:
        server.empty(bucket)
