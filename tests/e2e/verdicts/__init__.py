"""The differential test: mutated narinfos and NARs, judged by doctor and by the real Nix."""
