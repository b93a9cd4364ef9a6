"""The program's part: a stack's configuration becomes the component's settings and options."""

import pulumi
from pulumi.runtime import get_config_env

from nix_cache.arguments import CacheSettings
from nix_cache.config.problems import SettingsError
from nix_cache.config.stack import checked_settings


def read_config() -> tuple[CacheSettings, pulumi.ResourceOptions]:
    """Return the settings and the options that the stack's configuration describes.

    Raises:
        pulumi.RunError: the configuration is wrong. The message names every mistake.
    """
    try:
        settings, provider = checked_settings(get_config_env())
    except SettingsError as mistakes:
        raise pulumi.RunError(str(mistakes)) from None
    if provider is None:
        return settings, pulumi.ResourceOptions()
    return settings, pulumi.ResourceOptions(providers=[provider()])
