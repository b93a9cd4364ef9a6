"""What holds for all tests."""

import logging
import random
import signal
from itertools import groupby

import pytest
from hypothesis import HealthCheck, settings

# A machine that does other things besides is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# A shell that puts the tests into the background lets them ignore SIGINT, and `nohup` SIGHUP. The
# processes that tests interrupt on purpose would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Failed futures that are never awaited are logged with a traceback whenever garbage is collected,
# also while something else parses sources. The traceback parses sources too, and one parsing within
# another fails before Python 3.11.8 (https://github.com/python/cpython/issues/106905).
logging.getLogger("asyncio").disabled = True


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer an option that runs the tests in another order."""
    parser.addoption(
        "--shuffle",
        type=int,
        metavar="SEED",
        help="run the modules, and the tests of each, in an order that the number decides",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Shuffle, if asked to. Tests of a module stay together, as they share what they need."""
    seed: int | None = config.getoption("--shuffle")
    if seed is None:
        return
    order = random.Random(seed)
    modules = [list(group) for _, group in groupby(items, key=lambda item: item.path)]
    order.shuffle(modules)
    for module in modules:
        order.shuffle(module)
    items[:] = [item for module in modules for item in module]
