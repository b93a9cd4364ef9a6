"""The prose check of `make lint`."""
