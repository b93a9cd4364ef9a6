"""Drift on a MinIO server: what the engine's refresh fails over, or does not see."""
