"""`nix-cache hook`: pushes what was built, in the background, without ever failing a build."""
