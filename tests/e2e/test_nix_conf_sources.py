"""What this client reads of nix.conf is what the real Nix reads: order, lists, and failures."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nix_cache.cli.nix import conf_lists, conf_sources, effective
from nix_cache.cli.nix.conf_lists import PUBLIC_KEYS, SUBSTITUTERS, TRUSTED_SUBSTITUTERS
from tests.e2e.nix import Nix
from tests.e2e.test_use_shapes import effect, nix_cache, on_own_folder
from tests.unit.cli.client_caches import KEY

LISTS = (SUBSTITUTERS, TRUSTED_SUBSTITUTERS, PUBLIC_KEYS)
DEFAULTS = {
    SUBSTITUTERS: ["https://cache.nixos.org/"],
    TRUSTED_SUBSTITUTERS: [],
    PUBLIC_KEYS: ["cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY="],
}
"""What Nix has where no line replaces the list. Its ``nix.conf`` of the tests is empty."""

FILES = ("etc/nix.conf", "etc/more.conf", "x/nix/nix.conf", "y/nix/nix.conf", "home/nix/nix.conf")
OTHER_FILES = ("one.conf", "two.conf")
KEYS = [f"k{number}:{KEY.public_text.partition(':')[2]}" for number in range(3)]

_names = st.sampled_from(
    [
        *("substituters", "extra-substituters", "binary-caches", "extra-binary-caches"),
        *("trusted-substituters", "extra-trusted-substituters", "trusted-binary-caches"),
    ]
)
_key_names = st.sampled_from(
    ["trusted-public-keys", "extra-trusted-public-keys", "extra-binary-cache-public-keys"]
)
_urls = st.lists(st.sampled_from([f"https://{name}.example" for name in "abcd"]), max_size=2)
_lines = st.one_of(
    st.builds(lambda name, urls: f"{name} = {' '.join(urls)}", _names, _urls),
    st.builds(
        lambda name, keys: f"{name} = {' '.join(keys)}",
        _key_names,
        st.lists(st.sampled_from(KEYS), max_size=2),
    ),
    st.sampled_from(
        [
            *("# substituters = https://no.example", "\t", "max-jobs = 2 # two", "unknown = x"),
            *("!include more.conf", "!include gone.conf", "include ../../etc/more.conf"),
            *("extra-substituters\t=\thttps://t.example\r", "substituters = # none"),
        ]
    ),
    # Rare, as they end everything.
    st.sampled_from(["# ok"] * 12 + ["a:", "x=y", "include gone.conf", "= z", "include", "b == c"]),
)
_texts = st.lists(_lines, max_size=4).map(lambda lines: "\n".join(lines))
_variables = st.fixed_dictionaries(
    {},
    optional={
        "XDG_CONFIG_DIRS": st.sampled_from(["{}/x", "{}/x:{}/y", "{}/y::{}/x", ""]),
        "XDG_CONFIG_HOME": st.sampled_from(["{}/home", "{}/y"]),
        "NIX_CONFIG_HOME": st.sampled_from(["{}/x/nix", "{}/gone"]),
        "NIX_USER_CONF_FILES": st.sampled_from(
            ["{}/one.conf", "{}/one.conf:{}/two.conf", "::", ""]
        ),
        "NIX_CONFIG": _texts.map(lambda text: text.replace("!include more.conf", "")),
    },
)


@dataclass(frozen=True)
class Machine:
    """Files and variables that a Nix reads."""

    files: Mapping[str, str]
    variables: Mapping[str, str]


machines = st.builds(
    Machine,
    st.dictionaries(st.sampled_from([*FILES, *OTHER_FILES]), _texts, max_size=5),
    _variables,
)


def environment(nix: Nix, folder: Path, machine: Machine) -> dict[str, str]:
    """Write the files; gives the variables of a Nix that reads only those."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "etc").mkdir(parents=True)
    for name, text in machine.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    dropped = {"NIX_CONFIG", "NIX_USER_CONF_FILES", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"}
    kept = {name: value for name, value in nix.environment.items() if name not in dropped}
    given = {name: value.replace("{}", str(folder)) for name, value in machine.variables.items()}
    return {"XDG_CONFIG_DIRS": "", **kept, "NIX_CONF_DIR": str(folder / "etc"), **given}


def test_every_list_is_what_the_real_nix_makes_of_all_files(
    module_nix: Nix, tmp_path: Path
) -> None:
    """Whatever is in them, in whatever order; and a line stops Nix if and only if it is named."""
    failing = 0

    @settings(
        max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(machines)
    def check(machine: Machine) -> None:
        nonlocal failing
        variables = environment(module_nix, tmp_path / "m", machine)
        read = conf_sources.all_settings(variables)
        shown = module_nix.run(
            *("--extra-experimental-features", "nix-command", "config", "show", "--json"),
            env=variables,
        )
        assert (shown.exit_code == 0) == (not read.mistakes), (read.mistakes, shown.err)
        if shown.exit_code:
            failing += 1
            assert all(":" in one.where and one.fix for one in read.mistakes)
            return
        real = json.loads(shown.out)
        for setting in LISTS:
            history = conf_lists.history(read.lines, setting)
            own = [item.value for item in history.items]
            expected = own if history.replaced else [*DEFAULTS[setting], *own]
            assert sorted(set(real[setting]["value"])) == sorted(set(expected)), setting

    check()
    assert failing > 0


VALUES = [
    "max-jobs = many",
    "require-sigs = maybe",
    "cores = -1",
    "sandbox = perhaps",
    "connect-timeout = 1h",
    "min-free = 1X",
    "netrc-file =",
    "substituters = cache.nixos.org",
    "extra-trusted-substituters = ://",
    "substituters = 'https://a.example'",
]


@pytest.mark.parametrize("line", VALUES)
@pytest.mark.parametrize("file", ["etc/nix.conf", "etc/more.conf", "home/nix/nix.conf"])
def test_a_value_that_the_real_nix_refuses_is_named_by_file_and_line(
    module_nix: Nix, tmp_path: Path, line: str, file: str
) -> None:
    """The client finds the line by asking Nix, whatever the setting."""
    files = {
        "etc/nix.conf": "max-silent-time = 9\n!include more.conf\n",
        "etc/more.conf": "# more\n\n",
        "home/nix/nix.conf": "cores = 2\n",
    }
    number = files[file].count("\n") + 1
    files[file] += f"{line}\nlog-lines = 3\n"
    machine = Machine(files, {"XDG_CONFIG_HOME": "{}/home"})
    variables = environment(module_nix, tmp_path / "m", machine)

    [mistake] = effective.mistakes(variables)

    assert mistake.where == f"{tmp_path}/m/{file}:{number}"
    assert line.partition(" ")[0] in mistake.problem


@pytest.mark.parametrize(
    ("key", "is_taken"),
    [
        (KEY.public_text, True),
        (f"example.net/team.a+b@c-1:{KEY.public_text.partition(':')[2]}", True),
        (KEY.public_text.rstrip("="), True),
        ("a-1:AAAA", False),
        ("a-1:%%%", False),
        ("/home/u/key.pub", False),
        ("a-1:", False),
        (KEY.public_text.partition(":")[1] + KEY.public_text.partition(":")[2], False),
    ],
    ids=["ordinary", "any name", "no padding", "short", "no base64", "a path", "empty", "no name"],
)
def test_keys_are_judged_as_the_real_nix_judges_them(
    module_nix: Nix, tmp_path: Path, key: str, is_taken: bool
) -> None:
    """It fails as soon as it looks at a signature."""
    (module_nix.home / "file").write_text("content")
    path = module_nix.get("store", "add-file", str(module_nix.home / "file"))
    machine = Machine({"etc/nix.conf": f"trusted-public-keys = {key}\n"}, {})
    variables = environment(module_nix, tmp_path / "m", machine)

    verified = module_nix.run(
        *("--extra-experimental-features", "nix-command", "store", "verify"),
        *("--no-contents", "--sigs-needed", "1", path),
        env=variables,
    )

    assert ("error:" in verified.err) == (not is_taken), verified.err
    assert (conf_sources.all_settings(variables).mistakes == ()) == is_taken


def test_settings_on_determinate_nix_count_and_are_removed(module_nix: Nix, tmp_path: Path) -> None:
    """They go into the file that nix.conf includes; the replaced file stays as it was."""
    nix = on_own_folder(module_nix, tmp_path)
    conf = tmp_path / "etc" / "nix.conf"
    conf.write_text(
        "# DETERMINATE NIX CONFIG\n!include nix.custom.conf\n"
        "extra-substituters = https://cache.flakehub.com\n"
    )
    before = effect(nix)

    used = nix_cache(nix, "use", "-")
    assert used.returncode == 0, used.stderr

    found = effect(nix).settings
    assert "https://s3.example.org/demo" in found["substituters"]
    assert KEY.public_text in found["trusted-public-keys"]
    assert conf.read_text().count("include") == 1
    assert nix_cache(nix, "use", "demo", "--remove").returncode == 0
    assert effect(nix) == before
    assert not (tmp_path / "etc" / "nix.custom.conf").exists()
