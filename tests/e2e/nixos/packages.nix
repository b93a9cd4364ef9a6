# What stands in for nixpkgs' packages: each has the programs of one folder.
{
  lib,
  # The folder, with `bin`.
  programs,
  state ? "/var/lib/nix-cache",
  isDarwin ? false,
  system ? builtins.currentSystem,
  # Whether Python programs are put into the store, as links to those of the folder.
  builds ? false,
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

  shell =
    name: more: script:
    derivation (
      {
        inherit name system;
        builder = "/bin/sh";
        args = [
          "-c"
          "PATH=${programs}/bin; ${script}"
        ];
      }
      // more
    );

  application =
    pname:
    if builds then shell pname { } "mkdir -p $out && ln -s ${programs}/bin $out/bin" else package pname;

  # What nixpkgs has by these names. A new requirement belongs here once it was found there.
  python3Packages =
    lib.genAttrs [
      "botocore"
      "brotli"
      "hatchling"
      "pydantic"
      "pynacl"
      "rich"
      "typer"
      "urllib3"
      "watchdog"
      "zstandard"
    ] (name: name)
    // {
      buildPythonApplication = given: given // application given.pname;
    };

  pkgs = {
    inherit package;
    callPackage =
      file: changes:
      let
        function = import file;
        known = {
          inherit lib python3Packages;
          inherit (pkgs) stdenv;
          installShellFiles = package "install-shell-files";
        };
      in
      function (builtins.intersectAttrs (builtins.functionArgs function) known // changes);
    coreutils = package "coreutils";
    nixVersions.latest = package nix.pname // nix;
    runCommand = name: more: script: shell name more script;
    stdenv.hostPlatform = { inherit isDarwin; };
    stdenv.buildPlatform.canExecute = _: true;
    writeShellScript =
      name: text:
      shell name {
        passAsFile = [ "script" ];
        script = "#!/bin/sh\n${builtins.replaceStrings [ "/var/lib/nix-cache" ] [ state ] text}";
      } ''cp "$scriptPath" "$out" && chmod 755 "$out"'';
  };
in
pkgs
