"""What holds for all tests."""

import signal

# A shell that puts the tests into the background lets them ignore interrupts, and so would the
# processes that tests interrupt on purpose.
signal.signal(signal.SIGINT, signal.default_int_handler)
