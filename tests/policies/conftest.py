"""What holds for all tests of the rules."""

from hypothesis import settings

# A machine that does other things besides is no fault of a rule.
settings.register_profile("policies", deadline=None, max_examples=50)
settings.load_profile("policies")
