# A fake of nixpkgs' lib, of which tests have no copy: what the module uses of it, and no more.
# What it does not know, it refuses. With NIXPKGS_LIB the tests take the real one.
let
  lib =
    import ./functions.nix
    // import ./modules.nix { inherit lib; }
    // {
      types = import ./types.nix { inherit lib; };
    };
in
lib
