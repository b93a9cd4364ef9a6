#!/bin/sh
# Queues what Nix has just built for the cache @name@, and lets it be pushed in the background.
# Written by `nix-cache hook`. It never fails and never waits: no build may depend on it. Many run at
# the same time, so it starts one program, `ln`, and the worker only if there is none. Without /proc,
# as on macOS, it also starts `ps`.
trap 'exit 0' EXIT HUP INT PIPE TERM
set -f
umask 022
PATH=$PATH:@programs@:/usr/bin:/bin:/run/current-system/sw/bin
export PATH
record=@record@
folder=@folder@
client=@client@
log=$folder/log
worker=$folder/worker

[ -e "$record" ] || exit 0  # the cache is no longer in use here
[ -d "$folder/queue" ] || mkdir -p "$folder/queue" 2>/dev/null
new=
for path in $OUT_PATHS; do
  [ -L "$folder/queue/${path##*/}" ] || new="$new $path"
done
# The slash at the end lets `ln` fail where there is no folder.
# shellcheck disable=SC2086  # store paths, separated by blanks
[ -z "$new" ] || ln -s $new "$folder/queue/" 2>/dev/null
for path in $new; do
  [ -L "$folder/queue/${path##*/}" ] ||
    echo "nix-cache: $path could not be queued in $folder; push it by hand" >&2
done

# A worker removes its file before it looks at the queue for the last time. So it will see what was
# queued before the file was found. The number may be another program's by now.
runs() {
  pids=
  while read -r pid; do
    [ "$pid" = $$ ] && continue  # left by a program that had our number
    pids="$pids $pid"
    command=
    if [ -r /proc/self/cmdline ]; then
      read -r command <"/proc/$pid/cmdline"
    else
      command=$(ps -ww -o args= -p "$pid")  # two w: in full, also where ps cuts long lines off
    fi
    case $command in *--drain*--to*@name@* | *"$0"*) return 0 ;; esac
  done 2>/dev/null <"$worker"
  return 1
}
tries=0
set -C  # fail if the file is there
if ! { echo $$ >"$worker"; } 2>/dev/null; then
  set +C
  while :; do
    runs && exit 0
    # Another hook has made the file, and is about to write its number.
    [ -z "$pids" ] && [ -e "$worker" ] && [ $((tries += 1)) -lt 1000 ] || break
  done
  { echo $$ >"$worker"; } 2>/dev/null
fi
set +C
if ! [ -x "$client" ]; then
  echo "nix-cache: $client is gone; what was built waits in $folder/queue" >&2
  exit 0
fi
{ true >>"$log"; } 2>/dev/null || log=/dev/null
session=
command -v setsid >/dev/null 2>&1 && session=setsid
$session "$client" hook --drain --to @name@ </dev/null >>"$log" 2>&1 &
{ echo $! >>"$worker"; } 2>/dev/null
