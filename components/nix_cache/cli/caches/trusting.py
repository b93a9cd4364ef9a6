"""Whether root lets users whom the daemon does not trust use a cache.

The daemon ignores the settings of such users, except for substituters that the machine's nix.conf
lists in ``substituters`` or ``trusted-substituters``. Their keys have to be there too.
"""

import os
from collections.abc import Mapping

from nix_cache.cli.caches.same_cache import is_listed
from nix_cache.cli.nix import conf_lists, conf_sources
from nix_cache.cli.nix.conf_lists import PUBLIC_KEYS, SUBSTITUTERS, TRUSTED_SUBSTITUTERS
from nix_cache.cli.nix.installation import Generator
from nix_cache.formats.manifest import Manifest
from nix_cache.render import nix_conf


def lines(manifest: Manifest) -> tuple[str, str]:
    """Return the lines of the machine's nix.conf that let all users use a cache."""
    return nix_conf.trusting_settings(manifest.read_url, manifest.public_keys)


def options(manifest: Manifest, maker: Generator) -> tuple[str, ...]:
    """Return the same as options of the system that makes the machine's nix.conf."""
    return nix_conf.trusting_options(
        maker.attribute, manifest.read_url, manifest.public_keys, merged=maker.adds
    )


def missing(manifest: Manifest, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the lines that the machine's nix.conf lacks so that all users can use a cache.

    Args:
        manifest: the cache.
        environment: that of Nix.
    """
    settings = conf_sources.machine_settings(environment).lines
    named = [
        item.value
        for setting in (SUBSTITUTERS, TRUSTED_SUBSTITUTERS)
        for item in conf_lists.history(settings, setting).items
    ]
    trusted = {item.value for item in conf_lists.history(settings, PUBLIC_KEYS).items}
    substituter, _ = lines(manifest)
    keys = [key for key in manifest.public_keys if key not in trusted]
    return [
        *([] if any(is_listed(manifest.read_url, url) for url in named) else [substituter]),
        *([f"extra-trusted-public-keys = {' '.join(keys)}"] if keys else []),
    ]
