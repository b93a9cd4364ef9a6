"""Everything about storage services with an S3 API that have no separate backend."""
