"""The real engine against the real MinIO. Any language host and MinIO plugin will do."""
