# It has no inputs, so it adds nothing to the lock of a flake that takes it.
{
  description = "The NixOS module for machines that use a self-hosted Nix binary cache";

  outputs =
    { self }:
    {
      nixosModules = {
        default = self.nixosModules.nix-cache;
        nix-cache = ./nixos;
      };
    };
}
