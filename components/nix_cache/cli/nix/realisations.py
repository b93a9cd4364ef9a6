"""Realisations of a closure: what lets readers find the outputs of content-addressed derivations.

The deriver that Nix records for such an output is the resolved derivation, whose inputs are store
paths. Its realisation is enough: a reader that has no realisation of the derivation as it was
written fetches the inputs, resolves the derivation, and asks for that one. Since 2.35 Nix has only
realisations of resolved derivations.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nix_cache.cli.errors import ClientError
from nix_cache.cli.nix import program
from nix_cache.formats.derivation import DerivationError, floating_outputs
from nix_cache.formats.path_info import PathInfo
from nix_cache.formats.realisation import Realisation, RealisationError, parse_printed

_NIX = ("nix", "--extra-experimental-features", "nix-command ca-derivations", "--offline")
_COMMAND = (*_NIX, "store", "build-trace", "info", "--json")
_OLD_COMMAND = (*_NIX, "realisation", "info", "--json")
"""Up to Nix 2.34. Lix has none: it has no content-addressed derivations any more."""

_AT_ONCE = 200


def realisations_of(
    closure: Iterable[PathInfo],
    environment: Mapping[str, str] = os.environ,
    real_store: Path | None = None,
) -> list[Realisation]:
    """Return the realisations of the content-addressed outputs in a closure.

    Left out are outputs whose derivation is not in the store, and outputs of which the store has
    no realisation, as after a copy of the path alone.

    Args:
        closure: the paths.
        environment: Nix's.
        real_store: where the files of the store are, if not at the paths of the store.

    Raises:
        ClientError: Nix cannot be run, or prints something else.
    """
    wanted = [
        f"{info.deriver}^{output}"
        for info in closure
        if info.ca is not None and info.deriver is not None
        if (output := _floating_output(info, info.deriver, real_store)) is not None
    ]
    found: dict[str, Realisation] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        for realisation in _asked(wanted[start : start + _AT_ONCE], environment):
            found[realisation.key] = realisation
    return list(found.values())


def _floating_output(info: PathInfo, deriver: str, real_store: Path | None) -> str | None:
    """Return a path's output name; None if the path does not follow from its content."""
    store, _, base_name = deriver.rpartition("/")
    try:
        outputs = floating_outputs(Path(real_store or store, base_name).read_bytes())
    except (OSError, DerivationError):
        return None  # it is not in the store any more
    derivation, path = base_name[33:].removesuffix(".drv"), info.base_name[33:]
    names = {
        derivation if output == "out" else f"{derivation}-{output}": output for output in outputs
    }
    return names.get(path)


def _asked(outputs: Sequence[str], environment: Mapping[str, str]) -> list[Realisation]:
    try:
        printed = _printed(outputs, environment)
    except ClientError:
        if len(outputs) == 1:
            return []
        # One output without a realisation fails them all.
        return [found for output in outputs for found in _asked([output], environment)]
    try:
        return parse_printed(printed)
    except RealisationError as mistake:
        raise ClientError(
            f"what Nix printed of realisations cannot be read: {mistake}",
            "report it with the output of `nix --version`",
        ) from None


def _printed(outputs: Sequence[str], environment: Mapping[str, str]) -> str:
    try:
        return program.ask([*_OLD_COMMAND, *outputs], environment)
    except ClientError as failure:
        if "'realisation'" not in failure.problem:
            raise
        return program.ask([*_COMMAND, *outputs], environment)
