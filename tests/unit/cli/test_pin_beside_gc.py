"""Real pins beside real collections of one cache, in generated orders of their requests.

The world is that of the pushes in ``test_push_beside_gc``. The path to pin may be one that the
collection is about to delete.
"""

from collections.abc import Iterable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from unittest import mock

from botocore.credentials import Credentials
from hypothesis import event, given
from hypothesis import strategies as st

from nix_cache.cli.caches.record import Record
from nix_cache.cli.errors import ClientError
from nix_cache.cli.s3.credentials import Identity
from nix_cache.cli.upload import pinning
from nix_cache.cli.upload.pinning import KeepRules, Pinning
from nix_cache.cli.upload.writer import Writer
from nix_cache.formats.narinfo import narinfo_key
from nix_cache.formats.own_objects import PINS_PREFIX
from nix_cache.formats.pin import PinRevision, latest_content, latest_key, new_revision_key
from tests.unit.cli.client_caches import KEY, WRITER
from tests.unit.cli.test_push_beside_gc import (
    REFERENCES,
    Scenario,
    World,
    _Connection,
    closure,
    orders,
    require_whole,
    scenarios,
    store,
)

PINNED = "program"
LATEST = latest_key("app")
COLLECTION, PIN = 0, 1


class PinningWorld(World):
    """A cache in which a path is pinned while it is collected.

    Attributes:
        failure: why the path was not pinned.
    """

    failure: ClientError | None = None

    def end_an_earlier_pin(self, age_days: float) -> None:
        """Leave what a pin left that ended: a revision without a path, and an empty latest path."""
        made = self.now - timedelta(days=age_days)
        end = PinRevision(made=made, writer=WRITER, path=None)
        self._put(new_revision_key("app", made), end.content, age_days)
        self._put(LATEST, latest_content(None), age_days)

    def pin(self) -> None:
        """Pin the path."""
        writer = Writer(WRITER, Record(name="demo", manifest=self.manifest, writer=WRITER), KEY)
        path = store()[PINNED].info.path
        try:
            Pinning(writer, lambda _: None).pin("app", path, KeepRules())
        except ClientError as failure:
            self.failure = failure

    def run(self) -> None:
        """Let everything happen."""
        self._beside(self.collect, self.pin)

    def collect_later(self, days: float) -> None:
        """Collect again, when all that is kept by its age has become too old."""
        self.now += timedelta(days=days)
        self.storage.before = lambda _: self._pass(0)
        self._beside(partial(self.collect_once))

    def collect_once(self) -> None:
        """Collect, without being killed."""
        self.scenario = Scenario(**{**vars(self.scenario), "killed_at": None})
        self.collect()

    def _beside(self, *clients: object) -> None:
        identity = Identity("the test", Credentials("writer", "secret"))
        with ExitStack() as patches:
            patches.enter_context(self._patched())
            for name, replacement in {
                "identify": lambda _: identity,
                "Transport": lambda **_: _Connection(self, None),
            }.items():
                patches.enter_context(mock.patch.object(pinning, name, replacement))
            self.order.run(list(clients))  # type: ignore[arg-type]


def require_pinned(scenario: Scenario, ended_days: float | None) -> PinningWorld:
    """Let a scenario happen. What was pinned is whole; a pin that failed has pinned nothing."""
    world = PinningWorld(scenario)
    if ended_days is not None:
        world.end_an_earlier_pin(ended_days)
    world.run()
    objects = world.storage.objects
    path = store()[PINNED].info.path
    wanted = {narinfo_key(store()[name].info.path) for name in closure([PINNED])}
    for days in (0.0, 1000.0):
        if days:
            world.collect_later(days)
        require_whole(objects)
        if world.failure is None:
            assert wanted <= objects.keys()
            assert objects[LATEST].content == f"{path}\n".encode()
    if world.failure is not None:
        revisions = [key for key in objects if key.startswith(PINS_PREFIX) and key != LATEST]
        assert path not in [PinRevision.parse(objects[key].content).path for key in revisions]
    return world


@orders(max_examples=40)
@given(
    st.booleans().flatmap(lambda has_kill: scenarios(1, has_kill=has_kill)),
    st.sampled_from([None, 0.5, 3.0]),
)
def test_a_path_that_was_pinned_beside_a_collection_stays_whole(
    scenario: Scenario, ended_days: float | None
) -> None:
    """Also when everything else is collected later, and when a collection is killed."""
    world = require_pinned(scenario, ended_days)
    event(f"pinned: {world.failure is None}, collections: {', '.join(world.collected)}")


def require_any_order(orders: Iterable[tuple[tuple[int, int], ...]]) -> None:
    """Pin an old path in a cache of old paths, whose pin had ended, in some orders of requests."""
    outcomes = set()
    for turns in orders:
        scenario = Scenario(
            ages=dict.fromkeys(REFERENCES, 99.0),
            others=frozenset(),
            leftovers=frozenset(),
            records=(),
            grace_days=0,
            turns=(*turns, (COLLECTION, 400)),
            pauses=(0.0,),
            pushed=(),
        )
        world = require_pinned(scenario, 3.0)
        assert world.collected[0] == "ended"
        outcomes.add((world.failure is None, LATEST in world.storage.deleted))
    assert outcomes >= {(True, True), (True, False)}


def test_a_path_is_pinned_in_the_middle_of_a_collection() -> None:
    """At each of its requests, by a pin that sends some, and the rest after the end."""
    require_any_order(
        ((COLLECTION, collected), (PIN, pinned))
        for collected in range(2, 34)
        for pinned in range(1, 9)
    )


def test_a_collection_begins_in_the_middle_of_a_pin() -> None:
    """The pin goes on at each request of the collection, with its revision and latest path."""
    require_any_order(
        ((PIN, pinned), (COLLECTION, collected), (PIN, 3))
        for pinned in range(3, 9)
        for collected in range(1, 36)
    )
