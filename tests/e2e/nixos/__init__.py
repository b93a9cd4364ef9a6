"""NixOS without nixpkgs: what of it the tests of the module need."""
