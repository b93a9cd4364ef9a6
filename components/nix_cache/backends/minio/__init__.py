"""Everything about MinIO, and nothing about it elsewhere."""
