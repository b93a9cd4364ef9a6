"""Texts for clients: nix.conf, NixOS module, flake, CI steps, landing page. Pure."""
