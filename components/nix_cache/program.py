"""The program's part: a stack's configuration becomes the component's arguments and options."""

import pulumi
from pulumi.runtime import get_config_env

from nix_cache.arguments import BinaryCacheArgs
from nix_cache.configuration import checked_arguments
from nix_cache.problems import SettingsError


def read_config() -> tuple[BinaryCacheArgs, pulumi.ResourceOptions]:
    """The arguments and the options that the stack's configuration describes.

    Raises:
        pulumi.RunError: the configuration is wrong. It names every mistake.
    """
    try:
        args, provider = checked_arguments(get_config_env())
    except SettingsError as mistakes:
        raise pulumi.RunError(str(mistakes)) from None
    if provider is None:
        return args, pulumi.ResourceOptions()
    return args, pulumi.ResourceOptions(providers=[provider()])
