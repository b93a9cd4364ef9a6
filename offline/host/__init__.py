"""Stand-in for Pulumi's own Python language host, where that one cannot be had."""

SDK_VERSION = "3.259.0"
"""The release of the CLI and of the `pulumi` package whose protocol and start-up calls this host
follows. With another release in a program's environment the program still runs, with a warning."""

STAND_IN = "the stand-in Python language host (offline/host)"
"""How every refusal names the host, so that nobody takes it for the official one."""
