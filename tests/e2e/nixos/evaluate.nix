# What a configuration with the module comes to, or its failed assertions, printed as by NixOS.
{
  configuration,
  # A folder with `bin`, which takes the place of all packages.
  programs,
  # Where the queues are instead, for a test that cannot have root's folders.
  state ? "/var/lib/nix-cache",
  lib ? import ./lib,
  # Of what the configuration is: nixos, darwin or home-manager.
  kind ? "nixos",
  module ? ../../../nix + "/${kind}",
  # Further modules.
  modules ? [ ],
  # The system's configuration, for home-manager.
  osConfig ? null,
  isDarwin ? kind == "darwin",
  nix ? {
    pname = "nix";
    version = "2.34.8";
  },
}:
let
  pkgs = import ./packages.nix {
    inherit
      isDarwin
      lib
      nix
      programs
      state
      ;
  };
  inherit (pkgs) package;

  machine = {
    nix.package = lib.mkDefault (package nix.pname // nix);
  }
  // lib.optionalAttrs (kind == "nixos") { systemd.package = package "systemd"; };

  inherit
    (lib.evalModules {
      modules = [
        (./systems + "/${kind}.nix")
        ./systems/secrets.nix
        module
        machine
        configuration
      ]
      ++ modules;
      specialArgs = {
        inherit pkgs;
      }
      // lib.optionalAttrs (kind == "home-manager") { inherit osConfig; };
      class =
        {
          nixos = "nixos";
          darwin = "darwin";
          home-manager = "homeManager";
        }
        .${kind};
    })
    config
    ;
  failed = builtins.filter (one: !one.assertion) config.assertions;
  # Those that a system of this kind has.
  parts = builtins.intersectAttrs config {
    determinateNix = null;
    environment = null;
    home = null;
    launchd = null;
    system = null;
    systemd = null;
    warnings = null;
    xdg = null;
  };
in
if failed != [ ] then
  throw "Failed assertions:${lib.concatMapStrings (one: "\n- ${one.message}") failed}"
else
  lib.mapAttrs (name: _: config.${name}) parts
  // {
    settings = if config.nix.enable then config.nix.settings else { };
    own = config.services.nix-cache;
  }
