"""The local environment behind `make`: its own MinIO, the stack `dev`, and their summary."""
