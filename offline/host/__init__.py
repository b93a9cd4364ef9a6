"""Emulator of Pulumi's Python language host, where that one is not available."""

SDK_VERSION = "3.259.0"
"""The release of the CLI and of the `pulumi` package whose protocol and start-up calls this host
follows. With another release in a program's environment the program still runs, with a warning."""

EMULATOR = "the emulator of the Python language host (offline/host)"
"""How every refusal names the host, to distinguish it from the official one."""
