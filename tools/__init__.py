"""The local environment behind `make`: a MinIO of its own, the stack `dev`, and their summary."""
