"""Closures of store paths, as the installed Nix knows them."""

import graphlib
import os
from collections.abc import Mapping, Sequence

from nix_cache.cli.errors import ClientError, UsageError
from nix_cache.cli.nix import program
from nix_cache.formats.path_info import PathInfo, PathInfoError, parse

_PATH_INFO = (*program.NIX, "path-info", "--json", "--stdin")
_FORMAT = ("--json-format", "1")
_UNKNOWN_FORMAT = "'--json-format'"
"""In the error of a Nix before 2.33, which has no such option. Later ones warn where it is missing,
and will refuse to go on."""


def roots(given: Sequence[str], store_dir: str) -> list[str]:
    """Resolve what a user names to store paths, each once, in the order given.

    Args:
        given: store paths, paths within them, or links to them such as ``./result``.
        store_dir: the store's folder.

    Raises:
        UsageError: one leads nowhere into the store, or is a derivation.
    """
    paths = dict.fromkeys(program.store_path(each, store_dir) for each in given)
    for path in paths:
        if path.endswith(".drv"):
            raise UsageError(
                f"{path} is a derivation, not what it builds",
                f"name its outputs: `nix build --no-link --print-out-paths '{path}^*'` builds and "
                "prints them",
            )
    return list(paths)


def closure_of(paths: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[PathInfo]:
    """Return all that some paths need, themselves included, each path after its references.

    Args:
        paths: store paths.
        environment: Nix's.

    Raises:
        ClientError: some of them are not in the store, or Nix fails.
    """
    if not paths:
        return []
    infos = _asked(["--recursive"], paths, environment)
    missing = {
        reference
        for info in infos.values()
        for reference in info.references
        if reference not in infos
    } | (set(paths) - infos.keys())
    if missing:
        raise ClientError(
            f"`nix path-info --recursive` printed nothing about {min(missing)}",
            "check the store with `nix-store --verify`",
        )
    graph = {
        path: [reference for reference in infos[path].references if reference != path]
        for path in sorted(infos)
    }
    try:
        return [infos[path] for path in graphlib.TopologicalSorter(graph).static_order()]
    except graphlib.CycleError as cycle:
        raise ClientError(
            f"store paths refer to each other in a circle: {' '.join(cycle.args[1])}",
            "check the store with `nix-store --verify`",
        ) from None


def path_infos(
    paths: Sequence[str], environment: Mapping[str, str] = os.environ
) -> dict[str, PathInfo]:
    """Return what the store holds of some paths, by path.

    Args:
        paths: store paths.
        environment: Nix's.

    Raises:
        ClientError: some of them are not in the store, or Nix fails.
    """
    return _asked([], paths, environment) if paths else {}


def _asked(
    options: Sequence[str], paths: Sequence[str], environment: Mapping[str, str]
) -> dict[str, PathInfo]:
    try:
        printed = _printed(options, paths, environment)
    except ClientError:
        _require_valid(program.invalid(paths, environment))
        raise
    try:
        infos = parse(printed)
    except PathInfoError as mistake:
        raise ClientError(
            f"what `nix path-info --json` printed cannot be read: {mistake}",
            "report it with the output of `nix --version`",
        ) from None
    _require_valid(infos.invalid)
    return dict(infos.valid)


def _printed(options: Sequence[str], paths: Sequence[str], environment: Mapping[str, str]) -> str:
    try:
        return program.ask([*_PATH_INFO, *_FORMAT, *options], environment, paths)
    except ClientError as failure:
        if _UNKNOWN_FORMAT not in failure.problem:
            raise
        return program.ask([*_PATH_INFO, *options], environment, paths)


def _require_valid(invalid: Sequence[str]) -> None:
    if invalid:
        raise ClientError(
            f"not in this machine's store: {', '.join(invalid)}", "build it first, or leave it out"
        )
