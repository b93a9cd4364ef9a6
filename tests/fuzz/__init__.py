"""Property tests on every parser that reads foreign data. `make fuzz SECONDS=120` runs them all."""
