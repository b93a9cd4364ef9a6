"""What is made of the answers of the program `pulumi`, which is a script here."""

import json
import os
import shlex
import tempfile
from pathlib import Path

import pytest

from nix_cache.cli.app import run
from nix_cache.cli.errors import ClientError
from nix_cache.cli.machine import interrupt
from nix_cache.cli.stack.engine import PulumiStack, open_stack
from nix_cache.cli.stack.verify.backend import backend
from nix_cache.cli.stack.verify.session import verify


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Provide the folder of a program."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: yaml\n")
    return tmp_path


def script(folder: Path, text: str) -> str:
    """Return a program that stands for `pulumi`."""
    file = folder / "pulumi"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def failing(folder: Path, message: str) -> str:
    """Return a `pulumi` that fails with a message."""
    return script(folder, f"cat >&2 <<'END'\nerror: {message}\nEND\nexit 1")


def test_without_a_selected_stack_the_option_is_named(project: Path) -> None:
    """In the engine's own words there would be a command of another program."""
    pulumi = failing(project, "no stack selected; please use `pulumi stack select`")

    with pytest.raises(ClientError) as raised:
        open_stack(None, project, pulumi)

    assert raised.value.problem == f"no stack is selected in {project}"
    assert raised.value.fix == "name one: --stack NAME"


def test_an_unreachable_place_for_states_is_not_reported_as_a_missing_selection(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--stack` would not help."""
    pulumi = failing(project, 'unable to open state directory "file:///gone"')

    with pytest.raises(ClientError, match=r"`pulumi stack --show-name` failed, see above"):
        open_stack(None, project, pulumi)

    assert "unable to open state directory" in capsys.readouterr().err


def test_a_folder_that_does_not_exist_is_not_taken_for_the_project_above_it(project: Path) -> None:
    """A repair of the wrong project would be the result of a typing error."""
    (project / "there").mkdir()

    assert open_stack("dev", project / "there", script(project, "")).folder == project
    with pytest.raises(ClientError, match=f"there is no folder {project / 'their'}"):
        open_stack("dev", project / "their", str(project / "pulumi"))


def test_a_value_with_an_unusual_line_end_is_part_of_its_event(project: Path) -> None:
    """JSON leaves U+0085 as it is, and events are separated by line feeds alone."""
    metadata = {"op": "same", "urn": "a\u0085b"}
    event = json.dumps({"resOutputsEvent": {"metadata": metadata}}, ensure_ascii=False)
    (project / "events").write_text(f"{event}\n", encoding="utf-8")
    stack = PulumiStack(project, "dev", script(project, "cat events"), os.environ)

    assert stack.refresh_steps() == [metadata]


def test_a_verification_leaves_nothing_behind_whose_stack_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the passphrase nor a folder; the error is the engine's."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for name in backend("b2").variables:
        monkeypatch.setenv(name, "x" * 12)

    with pytest.raises(ClientError, match="`pulumi stack init` failed, see above"):
        verify("b2", failing(tmp_path, "the disk is full"), yes=True)

    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_verification_that_cannot_remove_its_cache_names_the_command_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variables that it needs, and the folder that it keeps for it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    for name in backend("b2").variables:
        monkeypatch.setenv(name, "x" * 12)
    pulumi = script(tmp_path, 'test "$1" = stack && echo "a: b" > Pulumi.verify.yaml')

    with pytest.raises(ClientError, match="`pulumi destroy --yes` failed, see above") as raised:
        verify("b2", pulumi, yes=True)

    [kept] = (tmp_path / "tmp").iterdir()
    assert (kept / "stack" / "passphrase").read_text()
    command = raised.value.fix.split("`")[1]
    assert shlex.split(command) == [
        *("env", "-u", "PULUMI_CONFIG_PASSPHRASE"),
        f"PULUMI_BACKEND_URL={(kept / 'stack' / 'state').as_uri()}",
        f"PULUMI_CONFIG_PASSPHRASE_FILE={kept / 'stack' / 'passphrase'}",
        *(pulumi, "destroy", "--stack", "verify", "--cwd", str(kept / "stack")),
    ]
    assert raised.value.fix.endswith(f"and delete {kept}")


def test_what_is_shielded_is_in_a_separate_process_group(project: Path) -> None:
    """A terminal sends Ctrl-C to every process of its foreground group."""
    pulumi = script(project, 'python3 -c "import os; print(os.getpgrp())"')
    stack = PulumiStack(project, "dev", pulumi, os.environ)

    assert int(stack.run("destroy", quiet=True)) == os.getpgrp()
    with interrupt.shielded():
        assert int(stack.run("destroy", quiet=True)) != os.getpgrp()


def test_reasons_that_the_engine_reports_as_events_are_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where it prints something else on its standard error, and each reason once."""
    events = [
        {"diagnosticEvent": {"severity": "info", "message": "nothing of interest"}},
        {"diagnosticEvent": {"severity": "error", "message": "<{%reset%}>no credentials<{%x%}>\n"}},
        {"diagnosticEvent": {"severity": "error", "message": "preview failed"}},
        {"resOutputsEvent": {"metadata": {"op": "same"}}},
    ]
    (project / "events").write_text("\n".join(map(json.dumps, events)))
    failing = "cat events; echo 'error: preview failed' >&2; exit 1"
    stack = PulumiStack(project, "dev", script(project, failing), os.environ)

    with pytest.raises(ClientError, match="`pulumi refresh --preview-only` failed, see above"):
        stack.refresh_steps()

    assert capsys.readouterr().err == "  | error: preview failed\n  | no credentials\n"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("stack drift --unknown", 1),
        ("stack drift one too many", 1),
        ("stack --unknown drift", 1),
        ("--unknown stack drift --json", 1),
        ("stack repair --unknown", 2),
        ("stack --unknown repair", 2),
        ("push stack drift --unknown", 2),
        ("--unknown", 2),
    ],
)
def test_a_mistake_on_the_command_line_of_drift_is_never_mistaken_for_drift(
    line: str, code: int
) -> None:
    """Wherever the wrong option is."""
    assert run(line.split()) == code
