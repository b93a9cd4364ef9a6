# What a NixOS configuration with the module comes to, or its failed assertions, printed as by NixOS.
{
  configuration,
  # A folder with `bin`, which takes the place of all packages.
  programs,
  # Where the queues are instead, for a test that cannot have root's folders.
  state ? "/var/lib/nix-cache",
  lib ? import ./lib,
  module ? ../../../nix/nixos,
  nix ? {
    pname = "nix";
    version = "2.34.8";
  },
}:
let
  package = pname: {
    type = "derivation";
    name = pname;
    inherit pname;
    outPath = programs;
  };

  # What nixpkgs has by these names. A new requirement belongs here once it was found there.
  python3Packages =
    lib.genAttrs [
      "botocore"
      "brotli"
      "hatchling"
      "pydantic"
      "pynacl"
      "rich"
      "tenacity"
      "typer"
      "urllib3"
      "watchdog"
      "zstandard"
    ] (name: name)
    // {
      buildPythonApplication = given: given // package given.pname;
    };

  pkgs = {
    callPackage = file: changes: import file ({ inherit lib python3Packages; } // changes);
    coreutils = package "coreutils";
    nixVersions.latest = package nix.pname // nix;
    writeShellScript =
      name: text:
      derivation {
        inherit name;
        system = builtins.currentSystem;
        builder = "/bin/sh";
        passAsFile = [ "script" ];
        script = "#!/bin/sh\n${builtins.replaceStrings [ "/var/lib/nix-cache" ] [ state ] text}";
        args = [
          "-c"
          ''PATH=${programs}/bin; cp "$scriptPath" "$out" && chmod 755 "$out"''
        ];
      };
  };

  machine = {
    nix.package = lib.mkDefault (package nix.pname // nix);
    systemd.package = package "systemd";
  };

  inherit
    (lib.evalModules {
      modules = [
        ./options.nix
        module
        machine
        configuration
      ];
      specialArgs = { inherit pkgs; };
    })
    config
    ;
  failed = builtins.filter (one: !one.assertion) config.assertions;
in
if failed != [ ] then
  throw "Failed assertions:${lib.concatMapStrings (one: "\n- ${one.message}") failed}"
else
  {
    inherit (config) environment systemd;
    settings = config.nix.settings;
    own = config.services.nix-cache;
  }
