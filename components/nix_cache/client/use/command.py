"""`nix-cache use`: makes this machine, or this user, use a cache; or no longer."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from nix_cache import nix_conf
from nix_cache.client import console, files, machine, places, record, source
from nix_cache.client.errors import ExitCode
from nix_cache.client.places import Place
from nix_cache.client.source import Source
from nix_cache.client.use import advice, consent, removal, safety
from nix_cache.client.use.report import Report, tell_module
from nix_cache.client.use.settings_plan import Wish, plan_use
from nix_cache.description import Description


def use(
    given: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="The cache's URL, a stack's name, a file with its outputs, or - for standard "
            "input. With --remove also the name under which the cache is used.",
        ),
    ],
    writer: Annotated[
        str | None,
        typer.Option("--as", metavar="WRITER", help="Also bring the key and credential to push."),
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option("--reader", metavar="NAME", help="Whose credential reads a private cache."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Under which it is used here. Default: its bucket's name."),
    ] = None,
    system: Annotated[
        bool | None,
        typer.Option(
            "--system/--user",
            help="Whose nix.conf. Default: the whole machine's for root, else the user's.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take out again all that this command put in.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Trust the keys that the URL names, unasked.")
    ] = False,
    project: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder of the stack's program. Default: this one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Tell the result as JSON.")] = False,
) -> None:
    """Make this machine use a cache: its URL, its keys and, if need be, its credentials.

    The settings go into a file of their own, which nix.conf includes. What nix.conf says already
    stays as it is.
    """
    place = _place(system)
    if remove:
        _remove(place, removal.cache_name(place, given, name), dry_run=dry_run, as_json=as_json)
        return
    wish = Wish(place, name, writer, reader, _lasting(given))
    loaded = _load(given, wish, project)
    store = Path(loaded.description.store_dir)
    if maker := machine.generator(place, store, chosen=system is not None):
        _print_module(loaded.description, maker, place, as_json=as_json)
        return
    plan = plan_use(loaded, wish)
    files.require_writable(plan.changes)
    report = Report.of(plan.record.name, plan.changes, as_json=as_json)
    if dry_run:
        report.tell_planned(plan.changes)
        return
    if source.is_url(given) and not consent.require(given, plan, given=yes):
        console.note("Nothing was changed.")
        raise typer.Exit(ExitCode.FAILED)
    files.apply(plan.changes)
    report.tell_done(advice.after_use(plan, place, given), advice.next_steps(plan))


def _place(system: bool | None) -> Place:
    if system is None:
        return places.default_place()
    return places.system_place() if system else places.user_place()


def _lasting(given: str) -> str | None:
    """A source as it can be found again from any folder."""
    if given == "-":
        return None
    return str(Path(given).absolute()) if source.is_file(given) else given


def _load(given: str, wish: Wish, project: Path | None) -> Source:
    """Read the source; a stack's secrets only where they are needed."""
    loaded = source.load(given, secrets=wish.writer is not None, project=project)
    if wish.writer is not None or not source.is_stack(given):
        return loaded
    previous = record.load(wish.place, wish.name or loaded.description.bucket)
    if loaded.description.public and (previous is None or previous.writer is None):
        return loaded
    return source.load(given, secrets=True, project=project)


def _remove(place: Place, name: str, *, dry_run: bool, as_json: bool) -> None:
    changes = removal.plan_removal(place, name)
    files.require_writable(changes)
    report = Report.of(name, changes, as_json=as_json)
    if dry_run:
        report.tell_planned(changes)
        return
    files.apply(changes)
    with contextlib.suppress(OSError):  # other caches' files are in it
        place.folder.rmdir()
    report.tell_done(advice.restart(place))


def _print_module(description: Description, maker: str, place: Place, *, as_json: bool) -> None:
    safety.require_harmless(description)
    module = nix_conf.nixos_module(description.read_url, description.public_keys)
    remarks = advice.instead_of_writing(description, maker, place)
    tell_module(module, remarks, as_json=as_json)
