"""The life of a cache in which any request of any command may fail, hang, or be the last one.

`test_gc_history.py` has lives without faults, and lets time pass in more ways.
"""

from functools import partial

from hypothesis import HealthCheck, Phase, given, settings

from tests.unit.cli.faulty_history import FaultyHistory, FaultyScenario, faulty_scenarios

lives = partial(
    settings,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},
)


@lives(max_examples=100)
@given(faulty_scenarios())
def test_the_cache_is_whole_after_every_step(scenario: FaultyScenario) -> None:
    """Nothing that a root record or a pin keeps is lost, and the metadata stays as it is."""
    FaultyHistory(scenario).run()
