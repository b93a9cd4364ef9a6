"""An outage in the middle of `make up`, where an answer is lost or a request refused.

Only here engine and plugins end in order after that; in `test_interruptions.py` they are killed.
"""

from pathlib import Path

import pytest

from tests.engine.clone import assert_plain_error, cloned
from tests.fakes.faulty_proxy import FaultyProxy
from tools import engine as toolchain_engine

pytestmark = pytest.mark.faults

MIDDLES = {
    "the bucket is made, and its answer lost": ("PUT /nix-cache/", False),
    "the bucket is made, and nothing after it": ("PUT /nix-cache/", True),
    "the user is made, and the answer lost": ("PUT /minio/admin/v3/add-user", False),
}


@pytest.mark.parametrize("middle", MIDDLES)
def test_an_outage_in_the_middle_of_an_up_is_made_good_by_the_next(
    tmp_path: Path, engine: toolchain_engine.Engine, middle: str
) -> None:
    """What was made before it is kept or created again; nothing has to be removed by hand."""
    request, answered = MIDDLES[middle]
    with cloned(tmp_path / "clone", engine) as clone:
        clone.server.start()
        with FaultyProxy(clone.connection.server) as proxy:
            clone.reach_through(proxy.address)
            proxy.go_down_after(request, answered=answered)

            result = clone.run("up")

            assert result.exit_code == 1
            assert_plain_error(result.output)
            assert any(seen.startswith(request) for seen in proxy.requests)
            proxy.heal()
            clone.dev("up")
            clone.assert_unchanged_by_up()
            assert clone.root.head_object(Bucket="nix-cache", Key="nix-cache-info")


def test_a_bucket_that_holds_something_is_never_taken_for_a_leftover(
    tmp_path: Path, engine: toolchain_engine.Engine
) -> None:
    """A user made one of that name, and filled it, before the interrupted run was finished."""
    with cloned(tmp_path / "clone", engine) as clone:
        clone.server.start()
        with FaultyProxy(clone.connection.server) as proxy:
            clone.reach_through(proxy.address)
            proxy.go_down_after("PUT /nix-cache/", answered=False)
            assert clone.run("up").exit_code == 1
            proxy.heal()
            clone.root.put_object(Bucket="nix-cache", Key="theirs", Body=b"theirs")

            result = clone.run("up")

            assert result.exit_code == 1
            assert "bucket already exists" in result.output
            kept = clone.root.get_object(Bucket="nix-cache", Key="theirs")["Body"].read()
            assert kept == b"theirs"
