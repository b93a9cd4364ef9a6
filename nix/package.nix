# The command `nix-cache`, made as nixpkgs makes Python programs: `pkgs.callPackage ./package.nix { }`.
{ lib, python3Packages }:
let
  project = (lib.importTOML ../components/pyproject.toml).project;
  requirements = project.dependencies ++ project.optional-dependencies.client;
  # The names are the same in nixpkgs.
  dependency =
    requirement: python3Packages.${builtins.head (builtins.match "([a-z0-9-]+).*" requirement)};
in
python3Packages.buildPythonApplication {
  pname = project.name;
  inherit (project) version;
  pyproject = true;
  src = ../components;
  build-system = [ python3Packages.hatchling ];
  dependencies = map dependency requirements;
  pythonImportsCheck = [ "nix_cache.cli.app" ];
  meta = {
    inherit (project) description;
    license = lib.licenses.asl20;
    mainProgram = "nix-cache";
  };
}
