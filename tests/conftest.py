"""What holds for all tests."""

import signal

from hypothesis import HealthCheck, settings

# A machine that does other things besides is no fault of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# A shell that puts the tests into the background lets them ignore interrupts, and so would the
# processes that tests interrupt on purpose.
signal.signal(signal.SIGINT, signal.default_int_handler)
