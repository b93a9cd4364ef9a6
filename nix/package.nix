# The command `nix-cache`, made as nixpkgs makes Python programs: `pkgs.callPackage ./package.nix { }`.
# Its version and its requirements are those of pyproject.toml.
{
  installShellFiles,
  lib,
  python3Packages,
  stdenv,
}:
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

  # The build adds the documentation, which is beside the package.
  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../components
      ../docs
    ];
  };
  sourceRoot = "source/components";

  build-system = [ python3Packages.hatchling ];
  dependencies = map dependency requirements;
  nativeBuildInputs = [ installShellFiles ];
  pythonImportsCheck = [ "nix_cache.cli.app" ];

  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    for shell in bash fish zsh; do
      _NIX_CACHE_COMPLETE=source_$shell $out/bin/nix-cache --help >nix-cache.$shell
      installShellCompletion --cmd nix-cache --$shell nix-cache.$shell
    done
  '';

  meta = {
    description = "Use, fill and check self-hosted Nix binary caches";
    license = lib.licenses.asl20;
    mainProgram = "nix-cache";
    platforms = lib.platforms.unix;
  };
}
