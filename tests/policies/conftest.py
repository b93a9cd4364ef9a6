"""What holds for all tests of the rules."""

from hypothesis import settings

settings.register_profile("policies", settings.get_profile("busy"), max_examples=50)
settings.load_profile("policies")
