"""What a repair touches in a stack that has other resources too, by values alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from nix_cache.backends.drift import Finding, Repair
from nix_cache.backends.stack_state import CACHE_TYPE, Cache, caches
from nix_cache.cli.errors import ClientError
from nix_cache.cli.stack import refreshed
from nix_cache.cli.stack.check import Checked, OnService, unfinished
from nix_cache.cli.stack.engine import PulumiStack
from nix_cache.cli.stack.repair import plan
from nix_cache.cli.stack.suggestion import pulumi_command, repair_command
from nix_cache.cli.stack.targets import prepared, targets

URN = "urn:pulumi:prod::shop::"
CACHE: dict[str, Any] = {"urn": f"{URN}{CACHE_TYPE}::cache", "type": CACHE_TYPE}
BELOW = f"{URN}{CACHE_TYPE}$minio:index"


def user(**more: Any) -> dict[str, Any]:
    """Return a user of the cache."""
    urn = f"{BELOW}/iamUser:IamUser::ci"
    return {"urn": urn, "type": "minio:index/iamUser:IamUser", "custom": True} | more


USER = user(parent=CACHE["urn"])
ATTACHMENT: dict[str, Any] = {
    "urn": f"{BELOW}/iamUserPolicyAttachment:IamUserPolicyAttachment::ci",
    "type": "minio:index/iamUserPolicyAttachment:IamUserPolicyAttachment",
    "parent": CACHE["urn"],
    "custom": True,
    "dependencies": [USER["urn"]],
}
BUCKET: dict[str, Any] = {
    "urn": f"{BELOW}/s3Bucket:S3Bucket::bucket",
    "type": "minio:index/s3Bucket:S3Bucket",
    "parent": CACHE["urn"],
    "custom": True,
}
SECRET: dict[str, Any] = {
    "urn": f"{URN}aws:secretsmanager/secret:Secret::copy",
    "type": "aws:secretsmanager/secret:Secret",
    "custom": True,
    "propertyDependencies": {"value": [ATTACHMENT["urn"]]},
}
STACK = PulumiStack(Path("/shop"), "prod", "/bin/pulumi", {})
ALONE = [CACHE, BUCKET, USER, ATTACHMENT]
WITH_OTHERS = [*ALONE, SECRET]


def checked(state: dict[str, Any], *recreate: str) -> Checked:
    """Return a check that found something to create again."""
    found = caches(state["resources"])
    service: Any = object()
    finding = Finding("it", "was", "is", repair=Repair(recreate=recreate))
    return Checked([finding], [OnService(found[0], service, [finding])], {}, found, found, state)


def test_what_depends_on_a_recreated_resource_is_left_alone_and_named() -> None:
    """What belongs to the cache is created again too, however far the dependency reaches."""
    planned = plan(checked({"resources": WITH_OTHERS}, USER["urn"]), STACK)

    assert planned.recreate == {USER["urn"], ATTACHMENT["urn"]}
    assert planned.left_alone == "copy (Secret)"
    assert planned.edits_state


def test_the_update_is_limited_to_the_cache() -> None:
    """Also to what the program declares there and the state does not have yet."""
    limited = plan(checked({"resources": WITH_OTHERS}), STACK).targets

    assert set(limited) == {f"{URN}{CACHE_TYPE}$**::cache-**", *(str(one["urn"]) for one in ALONE)}
    assert plan(checked({"resources": ALONE}), STACK).targets == limited


def test_what_a_pattern_covers_is_not_named_besides() -> None:
    """The engine fails over a target that a refresh finds deleted and the program not declared."""
    of_cache = {**USER, "urn": f"{BELOW}/iamUser:IamUser::cache-ci"}
    limited = targets(found := caches([CACHE, of_cache, USER]), found)

    assert set(limited) == {f"{URN}{CACHE_TYPE}$**::cache-**", CACHE["urn"], USER["urn"]}


def test_a_pattern_never_covers_another_cache() -> None:
    """The names of whose resources can begin in the same way."""
    found = [Cache(f"{URN}{CACHE_TYPE}::{name}", ()) for name in ("team", "team-b", "other")]
    assert targets(found[:1], found) == [found[0].urn]
    assert targets(found[1:2], found) == [f"{URN}{CACHE_TYPE}$**::team-b-**", found[1].urn]
    assert len(targets(found[:2], found)) == 4


def test_a_pattern_never_covers_a_resource_of_another_cache() -> None:
    """The writer `b-ci` of `team` has a resource that begins like those of `team-b`."""
    of_team = {"urn": f"{BELOW}/iamUser:IamUser::team-b-ci", "custom": True}
    team = Cache(f"{URN}{CACHE_TYPE}::team", (of_team,))
    team_b = Cache(f"{URN}{CACHE_TYPE}::team-b", ())

    assert targets([team_b], [team, team_b]) == [team_b.urn]
    assert len(targets([team, team_b], [team, team_b])) == 4


class Losing:
    """A service of a cache, of which the state has lost something."""

    def lost(self) -> list[str]:
        """Return what the state has lost."""
        return ["the user ci"]


def test_what_no_pattern_covers_is_not_repaired_in_part() -> None:
    """The update would not create it, and the repair would claim to have done so."""
    team, team_b = (Cache(f"{URN}{CACHE_TYPE}::{name}", ()) for name in ("team", "team-b"))
    service: Any = Losing()
    alone = Checked([], [OnService(team, service)], {}, [team], [team, team_b], {})

    with pytest.raises(ClientError, match="does not have the user ci, and") as raised:
        plan(alone, STACK)
    assert raised.value.fix.startswith("run it without --cache: `nix-cache stack repair --stack")

    of_both = Checked([], [OnService(team, service)], {}, [team, team_b], [team, team_b], {})
    assert plan(of_both, STACK).targets


def test_a_creation_is_not_dropped_where_nothing_can_ask_for_its_outcome() -> None:
    """What was created would go on to exist, in no state."""
    pending = [{"type": "creating", "resource": ATTACHMENT}]
    state = {"resources": [CACHE, USER], "pending_operations": pending}
    found = caches(state["resources"])

    with pytest.raises(ClientError, match=r"the creation of ci \(IamUserPol") as raised:
        plan(Checked([], [], {"cache": "AWS"}, found, found, state), STACK)
    assert raised.value.fix.startswith("run `/bin/pulumi refresh --stack prod --cwd /shop`")
    [finding] = unfinished(found, state, is_asked=False)
    assert finding.remedy.startswith("refuses to start: run `pulumi refresh` first")


def test_what_depends_on_what_only_a_refresh_found_deleted_is_named() -> None:
    """It is left alone as well."""
    found = caches(WITH_OTHERS)
    step = {"op": "delete", "urn": USER["urn"], "old": USER}
    deleted = refreshed.deleted([step, {"op": "update", "urn": BUCKET["urn"]}])

    planned = plan(Checked([], [], {}, found, found, {"resources": WITH_OTHERS}, deleted), STACK)

    assert planned.left_alone == "copy (Secret)"
    assert not planned.recreate


def test_what_is_of_another_package_below_the_cache_is_not_created_again() -> None:
    """Its old half would stay on its service, beside the new one."""
    below = {**SECRET, "parent": CACHE["urn"], "type": "kubernetes:core/v1:Secret"}

    planned = plan(checked({"resources": [*ALONE, below]}, USER["urn"]), STACK)

    assert planned.recreate == {USER["urn"], ATTACHMENT["urn"]}
    assert below["urn"] in planned.targets
    assert planned.left_alone == ""


def test_a_kept_state_is_said_to_restore_no_pending_operations() -> None:
    """The engine drops them when it imports a state."""
    pending = [{"type": "updating", "resource": USER}]

    with_pending = plan(checked({"resources": ALONE, "pending_operations": pending}), STACK)

    assert with_pending.drops_pending
    assert not plan(checked({"resources": ALONE}, USER["urn"]), STACK).drops_pending


def test_pending_operations_on_other_resources_are_never_dropped() -> None:
    """The engine drops all of them when a changed state is imported."""
    pending = [{"type": "creating", "resource": SECRET}, {"type": "creating", "resource": USER}]
    state = {"resources": WITH_OTHERS, "pending_operations": pending}

    with pytest.raises(ClientError, match=r"operations pending on copy \(Secret\)") as raised:
        plan(checked(state), STACK)
    assert raised.value.fix.startswith("run `/bin/pulumi refresh --stack prod --cwd /shop`")

    others_alone = {"resources": WITH_OTHERS, "pending_operations": pending[:1]}
    assert not plan(checked(others_alone), STACK).edits_state


def test_pending_operations_on_the_cache_are_dropped() -> None:
    """Also on what the state does not have yet."""
    pending = [{"type": "creating", "resource": ATTACHMENT}]
    state = {"resources": [CACHE, USER], "pending_operations": pending}

    assert plan(checked(state), STACK).edits_state


def test_a_prepared_state_keeps_every_resource() -> None:
    """Only what is created again is marked, and not the old half of a replacement."""
    old = {**USER, "delete": True}
    state = {"version": 3, "deployment": {"resources": [{**USER, "protect": True}, old, SECRET]}}

    after = json.loads(prepared(json.dumps(state), {USER["urn"]}))

    marked = {**USER, "pendingReplacement": True, "retainOnDelete": True, "protect": False}
    assert after == {"version": 3, "deployment": {"resources": [marked, old, SECRET]}}


def test_the_suggested_command_has_the_options_that_it_needs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the program's own folder, with `pulumi` on PATH, hardly any."""
    folder, elsewhere = tmp_path / "our shop", tmp_path / "bin"
    for made in (folder / "below", elsewhere):
        made.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text("name: shop\n")
    pulumi = elsewhere / "pulumi"
    pulumi.touch(0o755)
    stack = PulumiStack(folder, "prod", str(pulumi), {})

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert repair_command(stack, "team b") == (
        f"nix-cache stack repair --stack prod --cwd '{folder}' --pulumi {pulumi} --cache 'team b'"
    )
    monkeypatch.chdir(folder / "below")
    monkeypatch.setenv("PATH", str(elsewhere))
    assert repair_command(stack) == "nix-cache stack repair --stack prod"
    assert pulumi_command(stack, "refresh") == "pulumi refresh --stack prod"
