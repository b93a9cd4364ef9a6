"""The policy pack's rules as pure functions. What the engine makes of them is in tests/engine."""
