"""What the NixOS module refuses, and how: by assertions and types, evaluated by the real Nix."""

import pytest

from tests.e2e.nixos.configurations import PUSHES, READ_URL, READS
from tests.e2e.nixos.configurations import nixos as nixos
from tests.e2e.nixos.machine import NixOS


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("caches.team = { };", "`{}` names no cache. Set `manifest`"),
        (f'caches.team.substituter = "{READ_URL}";', "`{}.publicKeys` is empty"),
        (
            'caches."a b".manifest = ./nix-cache.json;',
            "`services.nix-cache.caches.a b` has an invalid name.",
        ),
        ("caches.team.manifest = ./newer.json;", "`{}.manifest` is not the output `manifest`"),
        ("caches.team.manifest = { };", "`{}.manifest` is not the output `manifest`"),
        ("caches.team.manifest = ./elsewhere.json;", "is of a cache for the store /gnu/store"),
        (
            'caches.team.manifest = { signingKeys.ci = "k"; credentials = { }; };',
            "`{}.manifest` contains secrets, and all users can read the Nix store. Set it to",
        ),
        (
            'caches.team = { manifest = ./nix-cache.json; substituter = "s3://b?trusted="; };',
            "`{}.substituter` has the parameter `trusted`",
        ),
        ("caches.team.manifest = ./private.json;", "Set `services.nix-cache.credentialsFile`"),
        (
            'caches.team = { manifest = ./nix-cache.json; reader = "laptop"; };',
            "`{}.reader` is laptop, and the cache has no such reader. Remove it",
        ),
        (
            'caches.team = { manifest = ./private.json; reader = "ci"; };',
            "no such reader. Set it to one of laptop, nixbuilder, nixreader",
        ),
    ],
)
def test_what_cannot_be_read_from_is_refused(nixos: NixOS, settings: str, reason: str) -> None:
    """By an assertion that names the option and the fix."""
    why = nixos.refusal(f"services.nix-cache = {{ {settings} }};")

    assert "Failed assertions:" in why
    assert reason.format("services.nix-cache.caches.team", store=nixos.nix.store_dir) in why


@pytest.mark.parametrize(
    ("credentials", "reason"),
    [
        ('"/run/secrets/credentials"', "`{}.gc.enable` requires the janitor of the cache. Set"),
        ("null", "`{}.gc.enable` requires the janitor's credential. Set"),
    ],
)
def test_garbage_is_collected_only_as_a_janitor(
    nixos: NixOS, credentials: str, reason: str
) -> None:
    """The cache has to have one, and the machine its credential."""
    settings = f"caches.team.gc.enable = true; credentialsFile = {credentials};"

    why = nixos.refusal(f"{READS} services.nix-cache = {{ {settings} }};")

    assert reason.format("services.nix-cache.caches.team") in why


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            "caches.team.manifest = lib.mkForce null;",
            "`{}.enable` requires the storage and the writers of the cache. Set",
        ),
        (
            'caches.team.push.writer = lib.mkForce "who";',
            "`{}.writer` is who, and the cache has no such writer. Set it to one of ci, nixbuilder",
        ),
        (
            "caches.team.push.writer = lib.mkForce null;",
            "`{}.writer` is not set. Set it to one of ci",
        ),
        (
            "caches.team.manifest = lib.mkForce ./published.json;",
            "no such writer. The manifest names no writers, as the object `nix-cache.json`",
        ),
        ("caches.team.push.signingKeyFile = lib.mkForce null;", "`{}.signingKeyFile` is not set"),
        (
            'caches.team.push.signingKeyFile = lib.mkForce "${./nix-cache.json}";',
            "`{}.signingKeyFile` is {store}/",
        ),
        ("credentialsFile = lib.mkForce null;", "`{}.writer` is s3://nix-cache?profile=nixbuilder"),
    ],
)
def test_what_cannot_be_pushed_to_is_refused(nixos: NixOS, changes: str, reason: str) -> None:
    """Likewise; the rest of the configuration is a writer's."""
    configured = f"""
        imports = [ {{
          services.nix-cache.caches.team.manifest = ./nix-cache.json;
          services.nix-cache.caches.team.push.enable = true;
          services.nix-cache.caches.team.push.writer = "nixbuilder";
          services.nix-cache.caches.team.push.signingKeyFile = "/run/secrets/key";
          services.nix-cache.credentialsFile = "/run/secrets/credentials";
        }} ];
        services.nix-cache = {{ {changes} }};
    """

    why = nixos.refusal(configured)

    assert "Failed assertions:" in why
    assert reason.format("services.nix-cache.caches.team.push", store=nixos.nix.store_dir) in why


SECRETS = ("credentialsFile", "awsConfigFile", "netrcFile", "caches.team.push.signingKeyFile")


@pytest.mark.parametrize("option", SECRETS)
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (f'"k-1:{"A" * 86}=="', "contains the secret itself, and all users can read the Nix store"),
        (f'"{"A" * 40}"', "contains the secret itself"),
        ('"[ci]\\naws_secret_access_key = abcdefghijklmnopqrstuvw"', "contains the secret itself"),
        ('"key.sec"', "is not an absolute path without white space"),
        ('"secrets/of/this/machine/and/of/no/other/one/key.sec"', "is not an absolute path"),
        ('"/run/my key"', "is not an absolute path without white space"),
        ('"/run/key#1"', "is not an absolute path without white space"),
        ('"/run/%i"', "is not an absolute path without white space"),
        ('"${builtins.storeDir}/key"', "and all users can read the Nix store. Put the file"),
        ('"//nix//store/key"', "and all users can read the Nix store. Put the file"),
        ('"${./nix-cache.json}"', "and all users can read the Nix store. Put the file"),
    ],
)
def test_a_secret_in_place_of_a_path_or_in_the_store_is_refused(
    nixos: NixOS, option: str, value: str, reason: str
) -> None:
    """With the option's name, and without what may be the secret."""
    changed = f"services.nix-cache.{option} = lib.mkForce ({value});"

    why = nixos.refusal(f"imports = [ {{ {changed} }} ]; {PUSHES}")

    assert f"- `services.nix-cache.{option}` " in why
    assert reason in why
    assert "A" * 40 not in why
    assert "abcdefghijkl" not in why


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            'nix.settings.extra-substituters = lib.mkForce [ "https://other.example.org" ];',
            "`nix.settings.extra-substituters` has lost the values of `services.nix-cache`",
        ),
        (
            "nix.settings.extra-trusted-public-keys = lib.mkForce [ ];",
            "`nix.settings.extra-trusted-public-keys` has lost the values",
        ),
        (
            'nix.extraOptions = "cores = 1\\n  substituters = https://other.example.org";',
            "`nix.extraOptions` sets substituters, which NixOS writes after the settings of",
        ),
        ('nix.extraOptions = "trusted-public-keys =";', "`nix.extraOptions` sets trusted-public-k"),
        ('nix.extraOptions = "binary-caches = a";', "`nix.extraOptions` sets binary-caches, which"),
    ],
)
def test_a_setting_that_discards_the_cache_is_refused(
    nixos: NixOS, settings: str, reason: str
) -> None:
    """With the option and the fix. Lists that only add, or that NixOS merges, are fine."""
    assert reason in nixos.refusal(f"{READS} {settings}")


def test_other_caches_do_not_discard_this_one(nixos: NixOS) -> None:
    """Lists that only add, or that Nix reads before ours, and comments."""
    nixos.evaluate(f"""{READS}
        nix.settings.substituters = lib.mkForce [ "https://other.example.org" ];
        nix.settings.extra-substituters = [ "https://third.example.org" ];
        nix.extraOptions = "extra-substituters = https://a.example.org\\n# substituters = b";
    """)


def test_a_user_that_nix_excludes_cannot_watch_the_store(nixos: NixOS) -> None:
    """The message names the service's user."""
    watching = f'{PUSHES} services.nix-cache.caches.team.push.trigger = "watch-store";'

    why = nixos.refusal(f'{watching} nix.settings.allowed-users = [ "@wheel" ];')

    assert "`nix.settings.allowed-users` excludes the user" in why
    assert 'Add "nix-cache-watch" to it' in why
    nixos.evaluate(f'{watching} nix.settings.allowed-users = [ "nix-cache-watch" ];')


@pytest.mark.parametrize("setting", ['"/etc/own"', 'lib.mkForce "/etc/own"'])
def test_a_second_hook_is_refused(nixos: NixOS, setting: str) -> None:
    """However it is set, for else one of them would silently not run."""
    why = nixos.refusal(f"{PUSHES} nix.settings.post-build-hook = {setting};")

    assert (
        "`nix.settings.post-build-hook` is /etc/own, and Nix takes only one hook. Call /etc" in why
    )


def test_a_nix_that_nixos_does_not_configure_is_refused(nixos: NixOS) -> None:
    """The settings would silently be nowhere. Without a cache it does not matter."""
    why = nixos.refusal(f"{READS} nix.enable = false;")

    assert "`nix.enable` is false, so NixOS writes no nix.conf" in why
    nixos.evaluate("nix.enable = false;")


def test_a_nix_that_cannot_push_is_refused(nixos: NixOS) -> None:
    """By its version, which says nothing for derivatives of Nix. It may read."""
    old = '{ pname = "nix"; version = "2.17.1"; }'
    derivative = '{ pname = "lix"; version = "2.9.0"; }'

    why = nixos.refusal(PUSHES, nix=old)

    assert "`nix.package` is Nix 2.17.1, and pushing requires 2.18 or newer" in why
    nixos.evaluate(READS, nix=old)
    nixos.evaluate(PUSHES, nix=derivative)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("caches", "[ ]"),
        ("caches.team.enable", '"yes"'),
        ("caches.team.manifest", "[ ]"),
        ("caches.team.substituter", '"minio.example.org"'),
        ("caches.team.substituter", '"https://minio.example.org\nsandbox = false"'),
        ("caches.team.publicKeys", '"k:AAAA"'),
        ("caches.team.publicKeys", '[ "k:AAAA" ]'),
        ("caches.team.priority", "-1"),
        ("caches.team.priority", '"30"'),
        ("caches.team.reader", "1"),
        ("caches.team.push.writer", "[ ]"),
        ("caches.team.push.signingKeyFile", "./key.sec"),
        ("caches.team.push.afterEveryBuild", "1"),
        ("caches.team.push.limitRate", '"fast"'),
        ("caches.team.push.partSize", "5"),
        ("caches.team.push.trigger", '"hooks"'),
        ("caches.team.push.upstreams", '{ "https://cache.nixos.org" = "key"; }'),
        ("caches.team.optional", "null"),
        ("caches.team.push.interval", "15"),
        ("credentialsFile", "./credentials"),
        ("package", '"nix-cache"'),
    ],
)
def test_a_value_of_another_type_is_refused(nixos: NixOS, option: str, value: str) -> None:
    """With the option's name. A secret is named by a text: Nix would copy a path into its store."""
    changed = f"services.nix-cache.{option} = lib.mkForce ({value});"

    why = nixos.refusal(f"imports = [ {{ {changed} }} ]; {PUSHES}")

    assert f"A definition for option `services.nix-cache.{option}" in why
    assert "is not of type" in why


@pytest.mark.parametrize("option", ["cache", "caches.team.url", "caches.team.push.key"])
def test_an_option_that_is_not_there_is_refused(nixos: NixOS, option: str) -> None:
    """With its name."""
    why = nixos.refusal(f"imports = [ {{ services.nix-cache.{option} = 1; }} ]; {READS}")

    assert f"The option `services.nix-cache.{option}' does not exist" in why


def test_two_values_of_one_option_are_refused(nixos: NixOS) -> None:
    """With its name."""
    twice = "imports = map (priority: { services.nix-cache.caches.team = { inherit priority; }; })"

    why = nixos.refusal(f"{twice} [ 1 2 ]; {READS}")

    option = "services.nix-cache.caches.team.priority"
    assert f"The option `{option}' has conflicting definition values" in why
