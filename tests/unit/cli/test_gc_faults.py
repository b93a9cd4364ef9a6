"""The life of a cache in which any request of any command may fail, hang, or be the last one.

`test_gc_history.py` has lives without faults, and lets time pass in more ways.
"""

from functools import partial

from hypothesis import HealthCheck, Phase, example, given, settings

from tests.unit.cli.faulty_history import (
    Act,
    FaultyHistory,
    FaultyScenario,
    Step,
    faulty_scenarios,
)
from tests.unit.cli.faulty_requests import Among, At, Fault

lives = partial(
    settings,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
)


_NONE = frozenset[int]()
_IN_PART = Act("collect", (), ((At(Among.DELETIONS, 0), Fault.IN_PART),))
DELETED_IN_PART = FaultyScenario(
    references=(_NONE, _NONE, _NONE, frozenset({2}), frozenset({3}), _NONE, _NONE),
    orphans=_NONE,
    pushed=frozenset({4}),
    steps=(Step((_IN_PART,), 40.0),),
)
"""A half of the narinfos goes: the dependents of the other half."""


@lives(max_examples=100)
@example(DELETED_IN_PART)
@given(faulty_scenarios())
def test_the_cache_is_whole_after_every_step(scenario: FaultyScenario) -> None:
    """Nothing that a root record or a pin keeps is lost, and the metadata stays as it is."""
    FaultyHistory(scenario).run()
