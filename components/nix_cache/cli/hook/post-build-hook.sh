#!/bin/sh
# Notes what Nix has just built for the cache @name@, and lets it be pushed in the background.
# Written by `nix-cache hook`. It never fails and never waits: no build may depend on it.
trap 'exit 0' EXIT HUP INT PIPE TERM
set -f
umask 022
PATH=$PATH:@programs@:/usr/bin:/bin:/run/current-system/sw/bin
export PATH
command=
record=@record@
folder=@folder@
client=@client@
log=$folder/log

[ -e "$record" ] || exit 0  # the cache is no longer in use here
mkdir -p "$folder/queue" 2>/dev/null
for path in $OUT_PATHS; do
  entry=$folder/queue/${path##*/}
  # -n, or else a second link would go into the folder that the first one points to.
  [ -L "$entry" ] || ln -sn "$path" "$entry" 2>/dev/null || [ -L "$entry" ] ||
    echo "nix-cache: $path could not be queued in $folder; push it by hand" >&2
done

# Who waits for their turn will see what was just queued. Their number may be another's by now.
read -r waiting 2>/dev/null <"$folder/waiting" &&
  read -r command 2>/dev/null <"/proc/$waiting/cmdline"
case $command in *--drain*--to*@name@*) exit 0 ;; esac
if ! [ -x "$client" ]; then
  echo "nix-cache: $client is gone; what was built waits in $folder/queue" >&2
  exit 0
fi
size=$(wc -c 2>/dev/null <"$log") && [ "$size" -gt 1000000 ] && mv -f "$log" "$log.1"
( : >>"$log" ) 2>/dev/null || log=/dev/null
session=$(command -v setsid)
# shellcheck disable=SC2086  # without setsid there is no word
$session "$client" hook --drain --to @name@ </dev/null >>"$log" 2>&1 &
