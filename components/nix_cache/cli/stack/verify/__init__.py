"""`nix-cache stack verify BACKEND`: a cache on the real service that is removed afterwards.

What the tests show on emulators is shown here on the service itself, for a person with an account:
a program brings a cache up, and who can do what is tried out.
"""
