"""The storage services: one protocol, and a module for each that fulfils it."""
