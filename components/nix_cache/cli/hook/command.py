"""The command `nix-cache hook`: its options. What it does is imported when it runs."""

from typing import TYPE_CHECKING, Annotated

import typer

from nix_cache.cli.errors import ExitCode, UsageError
from nix_cache.cli.machine import console
from nix_cache.cli.options import WriterCache

if TYPE_CHECKING:
    from nix_cache.cli.caches.record import Record


def hook(
    cache: WriterCache = None,
    install: Annotated[
        bool, typer.Option("--install", help="Let Nix run the hook after every build.")
    ] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Undo --install.")] = False,
    drain: Annotated[
        bool, typer.Option("--drain", help="Push the paths in the queue now.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Print the queue and the last error.")
    ] = False,
    systemd: Annotated[
        bool,
        typer.Option("--systemd", help="Print systemd units that push the queue after a restart."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --status: print the result as JSON.")
    ] = False,
) -> None:
    """Push store paths after every build, in the background.

    Prints a post-build hook for Nix, or installs it. The hook never fails or delays a build: paths
    that cannot be pushed stay in a queue.
    """
    if sum([install, remove, drain, status, systemd]) > 1:
        raise UsageError(
            "--install, --remove, --drain, --status and --systemd exclude each other",
            "pass only one of them",
        )
    if as_json and not status:
        raise UsageError("--json requires --status", "add --status, or remove --json")
    from nix_cache.cli.upload.writer import find_writer_record

    record = find_writer_record(cache)
    if install:
        _install(record)
    elif remove:
        _remove(record)
    elif drain:
        _drain(record)
    elif status:
        _status(record, as_json=as_json)
    else:
        _print(record, systemd=systemd)


def _install(record: "Record") -> None:
    from nix_cache.cli.hook import installation, texts
    from nix_cache.cli.nix.daemon import restart_advice
    from nix_cache.cli.upload.writer import as_writer

    as_writer(record)
    hook = installation.hook_of(record)
    place = installation.place_of(record)
    changes = installation.install(record, hook)
    console.columns([(str(change.path), change.kind) for change in changes])
    if maker := installation.generator(record):
        console.note(f"{maker} generates nix.conf. Add this to its configuration:")
        console.out.text(texts.nixos_module(hook))
        return
    for line in restart_advice(place):
        console.note(line)
    console.note("After a restart, the queue is pushed with the next build. To push it at once,")
    console.note(f"install systemd units: nix-cache hook --systemd --cache {record.name}")


def _remove(record: "Record") -> None:
    from nix_cache.cli.hook import installation
    from nix_cache.cli.nix.daemon import restart_advice

    rows = [(str(change.path), "removed") for change in installation.remove(record)]
    if not rows:
        console.note(f"No hook is installed for the cache {record.name}.")
        return
    console.columns(rows)
    for line in restart_advice(installation.place_of(record)):
        console.note(line)


def _drain(record: "Record") -> None:
    from nix_cache.cli.hook import installation
    from nix_cache.cli.hook.drain import drain
    from nix_cache.cli.hook.queue import Queue

    folder = installation.folder_of(installation.place_of(record), record.name)
    if not drain(record, Queue(folder, record.manifest.store_dir)):
        raise typer.Exit(ExitCode.FAILED)


def _status(record: "Record", *, as_json: bool) -> None:
    from nix_cache.cli.hook import status

    found = status.look(record)
    if as_json:
        console.document(status.document(found))
    else:
        status.print_status(found)


def _print(record: "Record", *, systemd: bool) -> None:
    from nix_cache.cli.hook import installation, texts

    hook = installation.hook_of(record)
    text = texts.systemd_units(hook) if systemd else texts.script(hook)
    console.out.text(text)
