"""`make verify-BACKEND`: a throw-away cache on the real service, for a person with an account.

What the tests show on stand-ins is shown here on the service itself: the same program brings a
cache up, and who may do what is tried out. Nothing is left when it ends.
"""
