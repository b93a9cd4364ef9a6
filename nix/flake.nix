# The client as a package, and the modules. Only the package needs nixpkgs; the modules take yours.
{
  description = "The client and the modules of self-hosted Nix binary caches";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      forEach =
        made:
        nixpkgs.lib.genAttrs [
          "aarch64-darwin"
          "aarch64-linux"
          "x86_64-darwin"
          "x86_64-linux"
        ] (system: made nixpkgs.legacyPackages.${system} self.packages.${system}.nix-cache);
    in
    {
      packages = forEach (
        pkgs: client: {
          default = client;
          nix-cache = pkgs.callPackage ./package.nix { };
        }
      );

      apps = forEach (
        _: client: {
          default = {
            type = "app";
            program = "${client}/bin/nix-cache";
            meta = { inherit (client.meta) description; };
          };
        }
      );

      checks = forEach (
        pkgs: client: {
          command = pkgs.runCommand "nix-cache-command" { } ''
            ${client}/bin/nix-cache --version | grep -F ${client.version}
            test -s ${client}/share/bash-completion/completions/nix-cache.bash
            touch $out
          '';
        }
      );

      overlays.default = final: _: { nix-cache = final.callPackage ./package.nix { }; };

      nixosModules = {
        default = self.nixosModules.nix-cache;
        nix-cache = ./nixos;
      };
      darwinModules = {
        default = self.darwinModules.nix-cache;
        nix-cache = ./darwin;
      };
      homeModules = {
        default = self.homeModules.nix-cache;
        nix-cache = ./home-manager;
      };
      homeManagerModules = self.homeModules; # the earlier name of this output
    };
}
