# The scripts that add what Nix has just built to a queue. They never fail, and they only start the
# service that pushes: no build may depend on a push.
{
  lib,
  pkgs,
  # For the name of a service, the command that starts it and does not wait for it.
  start,
}:
let
  places = import ./places.nix;
in
rec {
  # Queues it for one cache. Nix gives it the built paths in OUT_PATHS.
  forCache =
    name:
    pkgs.writeShellScript "nix-cache-hook-${name}" ''
      trap 'exit 0' EXIT HUP INT PIPE TERM
      set -f
      queue=${places.queue name}
      for path in $OUT_PATHS; do
        entry=$queue/''${path##*/}
        # -n, or else a second link would go into the folder that the first one points to.
        [ -L "$entry" ] || ${pkgs.coreutils}/bin/ln -sn "$path" "$entry" 2>/dev/null || [ -L "$entry" ] ||
          echo "nix-cache: $path could not be queued in $queue; push it by hand" >&2
      done
      # A push that runs sees what was just queued; what comes in its last moment, the timer's does.
      ${start (places.pushService name)} >/dev/null 2>&1
    '';

  # Nix takes only one hook.
  forCaches =
    names:
    pkgs.writeShellScript "nix-cache-post-build-hook" (
      lib.concatMapStrings (name: "${forCache name}\n") names
    );
}
