"""Ten simulated years of pushes: what rules by age lose, and what `nix-cache gc` keeps."""
