# The options of nix-darwin that the module sets or reads, typed as there, and nothing of their effects.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  inherit (import ./common.nix { inherit lib; })
    atom
    checks
    file
    nix
    option
    setting
    text
    ;

  # As there, where nix-darwin does not manage Nix.
  managed =
    name: wanted:
    wanted
    // {
      apply =
        value: if config.nix.enable then value else throw "nix.${name}: accessed when `nix.enable` is off";
    };

  daemon =
    { name, ... }:
    {
      options = {
        command = option types.str "";
        environment = option (types.attrsOf types.str) { };
        path = option (types.listOf text) [ ];
        serviceConfig = option (types.attrsOf setting) { };
      };
      config.serviceConfig.Label = lib.mkDefault "org.nixos.${name}";
    };
in
{
  options = checks // {
    environment.etc = option (types.attrsOf file) { };
    environment.systemPackages = option (types.listOf types.package) [ ];
    launchd.daemons = option (types.attrsOf (types.submodule daemon)) { };
    nix = nix // {
      extraOptions = managed "extraOptions" nix.extraOptions;
      package = managed "package" (mkOption {
        type = types.package;
      });
      settings = managed "settings" nix.settings;
    };
    system.activationScripts.extraActivation.text = option types.lines "";
  };
}
