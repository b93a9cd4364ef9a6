"""Tests of the package as it is installed: its files, its extras, its types, its behaviour."""
