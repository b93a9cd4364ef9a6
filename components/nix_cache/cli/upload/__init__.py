"""Uploading store paths to a cache, for the commands that push."""
