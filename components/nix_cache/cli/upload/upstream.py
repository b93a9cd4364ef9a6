"""Which paths of a closure are left to upstream caches."""

from collections.abc import Callable, Mapping, Sequence

from nix_cache.cli.limits import NARINFO
from nix_cache.cli.machine.parallel import in_parallel
from nix_cache.cli.machine.progress import Progress
from nix_cache.cli.s3.errors import StorageError
from nix_cache.cli.s3.reply import OversizedError
from nix_cache.cli.s3.transport import Transport
from nix_cache.cli.upload.options import UploadOptions
from nix_cache.formats.narinfo import Narinfo, NarinfoError, narinfo_key, verify
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.upstreams import upstream_of

Upstreams = Mapping[str, tuple[str, ...]]
_OK = 200


def left_to_upstreams(
    infos: Sequence[PathInfo],
    upstreams: Upstreams,
    options: UploadOptions,
    transport: Transport,
    progress: Progress,
) -> dict[str, str]:
    """Return the paths that a push leaves to upstream caches.

    Args:
        infos: what the local store holds of the paths.
        upstreams: by URL, the public keys of each upstream cache.
        options: whether there are any, and how they are found.
        transport: the run's connections.
        progress: reports what is done.

    Returns:
        by store path, the URL of the upstream cache.
    """
    if not upstreams or not options.leaves_to_upstreams:
        return {}
    if not options.asks_upstreams:
        return signed_by_upstreams(infos, upstreams)
    progress.tell("asking upstream caches which paths they have")
    paths = [info.path for info in infos]
    return held_by_upstreams(paths, upstreams, transport, options.jobs, progress.note)


def signed_by_upstreams(infos: Sequence[PathInfo], upstreams: Upstreams) -> dict[str, str]:
    """Return the paths that carry a valid signature by a key of an upstream cache.

    Args:
        infos: what the local store holds of the paths.
        upstreams: by URL, the public keys of each upstream cache.

    Returns:
        by store path, the URL of the upstream cache.
    """
    found = ((info.path, upstream_of(info, upstreams)) for info in infos)
    return {path: url for path, url in found if url is not None}


def held_by_upstreams(
    paths: Sequence[str],
    upstreams: Upstreams,
    transport: Transport,
    jobs: int,
    report: Callable[[str], None],
    otherwise: str = "are pushed",
) -> dict[str, str]:
    """Return the paths that upstream caches have, with a valid signature of theirs.

    Args:
        paths: store paths.
        upstreams: by URL, the public keys of each upstream cache.
        transport: the run's connections.
        jobs: how many requests there are at a time.
        report: called with a warning for an upstream cache that does not answer.
        otherwise: what becomes of the other paths, for that warning.

    Returns:
        by store path, the URL of the upstream cache.
    """
    left: dict[str, str] = {}
    for url, keys in upstreams.items():
        failures: list[str] = []

        def is_there(path: str, url: str = url, keys: Sequence[str] = keys) -> bool:
            try:
                reply = transport.exchange("GET", f"{url}/{narinfo_key(path)}", {}, None, NARINFO)
            except (StorageError, OversizedError) as failure:
                failures.append(str(failure))  # noqa: B023  # it runs within this round
                return False
            return reply.status == _OK and _is_same(reply.body, path, keys)

        wanted = [path for path in paths if path not in left]
        for path, found in in_parallel(is_there, wanted, jobs):
            if found:
                left[path] = url
        if failures:
            report(
                f"WARNING: {url} did not answer for {len(failures)} of {len(wanted)} paths "
                f"({failures[0]}); these {otherwise}."
            )
    return left


def left_references(
    infos: Sequence[PathInfo], left: Mapping[str, str]
) -> dict[str, tuple[str, ...]]:
    """Return the references that are left to upstream caches, for a root record.

    Args:
        infos: the paths that are pushed.
        left: by store path, the URL of the upstream cache that has it.

    Returns:
        by the URL of an upstream cache, the hashes of its paths that others refer to.
    """
    found: dict[str, set[str]] = {}
    for info in infos:
        for path in info.references:
            if path in left:
                found.setdefault(left[path], set()).add(path.rpartition("/")[2][:32])
    return {url: tuple(sorted(hashes)) for url, hashes in found.items()}


def _is_same(content: bytes, path: str, keys: Sequence[str]) -> bool:
    try:
        narinfo = Narinfo.parse(content)
    except NarinfoError:
        return False
    return narinfo.store_path == path and bool(verify(narinfo, keys))
