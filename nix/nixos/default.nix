# The NixOS module: machines that use a binary cache of this project, and those that push to it.
{
  imports = [
    ./options.nix
    ./reading.nix
    ./pushing.nix
    ./assertions.nix
  ];
}
