"""Requests that show who can do what to a bucket: for deployments, doctor and verify. Pure."""
