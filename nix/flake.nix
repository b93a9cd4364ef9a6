# It has no inputs, so it adds nothing to the lock of a flake that takes it.
{
  description = "The NixOS module for machines that use a Nix binary cache of your own";

  outputs =
    { self }:
    {
      nixosModules = {
        default = self.nixosModules.nix-cache;
        nix-cache = ./nixos;
      };
    };
}
