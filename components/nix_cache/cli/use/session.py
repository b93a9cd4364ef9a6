"""One run of `nix-cache use`: reads the source, plans, asks, and changes files all together."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from nix_cache.cli.caches import manifest_rules, record, source
from nix_cache.cli.caches.source import Source
from nix_cache.cli.machine import console, files, places
from nix_cache.cli.machine.places import Place
from nix_cache.cli.nix import daemon, installation, obstacles
from nix_cache.cli.nix.installation import Generator
from nix_cache.cli.use import advice, consent, removal, safety
from nix_cache.cli.use.consent import Agreement
from nix_cache.cli.use.outages import NO_WISH, OutageWish, generated_remark
from nix_cache.cli.use.report import UseReport, print_module
from nix_cache.cli.use.settings_plan import Wish, plan_use
from nix_cache.formats.manifest import Manifest
from nix_cache.render import nix_conf


@dataclass(frozen=True)
class UseRequest:
    """What was asked for.

    Attributes:
        given: the source; of a removal also the name under which the cache is used.
        writer: as whom this machine shall push; as before if None.
        reader: whose credential a private cache is to be read with.
        push_only: whether nix.conf stays as it is.
        janitor: whether this machine gets the janitor's credential.
        name: under which the cache is to be used; its bucket's name if None.
        system: whether it is for the whole machine; by who runs the command if None.
        dry_run: whether files stay as they are.
        agreement: what the command line agrees to beforehand.
        project: the folder of the stack's program; the current one if None.
        outages: what Nix does while the cache does not answer.
    """

    given: str
    writer: str | None
    reader: str | None
    push_only: bool
    name: str | None
    system: bool | None
    dry_run: bool
    agreement: Agreement
    project: Path | None
    outages: OutageWish = NO_WISH
    janitor: bool = False


def use(request: UseRequest, *, as_json: bool) -> bool:
    """Make the machine, or the user, use a cache.

    Returns:
        whether that was done, or shown; not if the user did not agree to it.

    Raises:
        UsageError: the request makes no sense.
        ClientError: the source cannot be read, or a file cannot be written.
    """
    place = _place(request.system)
    wish = Wish(
        place,
        request.name,
        request.writer,
        request.reader,
        _lasting(request.given),
        request.outages,
        request.push_only,
        request.janitor,
    )
    loaded = _load(request.given, wish, request.project)
    consent.require_expected(loaded.manifest, request.agreement)
    safety.require_store_elsewhere(place, loaded.manifest.store_dir)
    store = Path(loaded.manifest.store_dir)
    if not request.push_only:
        maker = installation.generator(place, store, chosen=request.system is not None)
        if maker is not None:
            _print_module(loaded.manifest, maker, place, request.outages, as_json=as_json)
            return True
        obstacles.require_sound()
    plan = plan_use(loaded, wish)
    files.require_writable(plan.changes)
    report = UseReport.of(plan.record.name, plan.changes, as_json=as_json)
    if request.dry_run:
        report.print_planned(plan.changes)
        return True
    if not consent.require(request.given, plan, request.agreement):
        console.note("Nothing was changed.")
        return False
    files.apply(plan.changes)
    whose = "this machine" if place.system else "this user"
    report.print_done(
        f"Configured {whose} to {'push to' if request.push_only else 'use'} the cache "
        f"{plan.record.name}.",
        advice.after_use(plan, place, request.given),
        advice.next_steps(plan, as_janitor=request.janitor),
    )
    return True


def remove(request: UseRequest, *, as_json: bool) -> None:
    """Take out all that `use` put in for a cache.

    Raises:
        UsageError: no such cache is in use.
        ClientError: a file cannot be written.
    """
    place = _place(request.system)
    name = removal.cache_name(place, request.given, request.name)
    changes = removal.plan_removal(place, name)
    files.require_writable(changes)
    report = UseReport.of(name, changes, as_json=as_json)
    if request.dry_run:
        report.print_planned(changes)
        return
    files.apply(changes)
    with contextlib.suppress(OSError):  # other caches' files are in it
        place.folder.rmdir()
    report.print_done(
        f"Removed the cache {name} from {'this machine' if place.system else 'this user'}.",
        [*removal.left_alone(place, name), *daemon.restart_advice(place)],
    )


def _place(system: bool | None) -> Place:
    if system is None:
        return places.default_place()
    return places.system_place() if system else places.user_place()


def _lasting(given: str) -> str | None:
    """Return a source as it can be found again from any folder."""
    if given == "-":
        return None
    return str(Path(given).absolute()) if source.is_file(given) else given


def _load(given: str, wish: Wish, project: Path | None) -> Source:
    """Read the source; a stack's secrets only where they are needed."""
    is_secret = wish.writer is not None or wish.janitor
    loaded = source.load(given, secrets=is_secret, project=project)
    if is_secret or not source.is_stack(given):
        return loaded
    previous = record.load(wish.place, wish.name or loaded.manifest.bucket)
    if loaded.manifest.public and (previous is None or previous.writer is None):
        return loaded
    return source.load(given, secrets=True, project=project)


def _print_module(
    manifest: Manifest, maker: Generator, place: Place, outages: OutageWish, *, as_json: bool
) -> None:
    manifest_rules.require_valid(manifest)
    module = nix_conf.generated_settings(
        maker.attribute, manifest.read_url, manifest.public_keys, merged=maker.adds
    )
    remarks = [
        *advice.instead_of_writing(manifest, maker, place),
        *generated_remark(outages, maker.attribute),
    ]
    print_module(module, maker.kind, remarks, as_json=as_json)
