"""Tests, by what only each level can show: unit, engine."""
