"""Whether root lets users whom the daemon does not trust use a cache.

The daemon ignores the settings of such users, except for substituters that the machine's nix.conf
lists in ``substituters`` or ``trusted-substituters``. Their keys have to be there too.
"""

import os
from collections.abc import Mapping

from nix_cache.cli.caches.same_cache import is_listed, same_access, same_cache
from nix_cache.cli.nix import conf_lists, conf_sources
from nix_cache.cli.nix.conf_lists import PUBLIC_KEYS, SUBSTITUTERS, TRUSTED_SUBSTITUTERS
from nix_cache.cli.nix.installation import Generator
from nix_cache.formats.manifest import Manifest
from nix_cache.render import nix_conf


def asked_url(manifest: Manifest, environment: Mapping[str, str] = os.environ) -> str:
    """Return the URL by which nix.conf names a cache, or else the read URL of the manifest.

    Args:
        manifest: the cache.
        environment: that of Nix.
    """
    url = manifest.read_url
    settings = conf_sources.all_settings(environment).lines
    for item in conf_lists.history(settings, SUBSTITUTERS).items:
        if same_cache(item.value, url) and same_access(item.value, url):
            return item.value
    return url


def lines(manifest: Manifest, environment: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """Return the lines of the machine's nix.conf that let all users use a cache.

    The daemon compares texts, so they have the URL by which a user's nix.conf names the cache.
    """
    return nix_conf.trusting_settings(asked_url(manifest, environment), manifest.public_keys)


def options(
    manifest: Manifest, maker: Generator, environment: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """Return the same as options of the system that makes the machine's nix.conf."""
    url = asked_url(manifest, environment)
    return nix_conf.trusting_options(maker.attribute, url, manifest.public_keys, merged=maker.adds)


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
    url = asked_url(manifest, environment)
    substituter, _ = nix_conf.trusting_settings(url, manifest.public_keys)
    keys = [key for key in manifest.public_keys if key not in trusted]
    return [
        *([] if any(is_listed(url, listed) for listed in named) else [substituter]),
        *([f"extra-trusted-public-keys = {' '.join(keys)}"] if keys else []),
    ]
