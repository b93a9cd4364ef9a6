# Runs a program in a Debian tree, in its own mount namespace: tree [outside inside]... -- argv
# What the program writes to the tree goes to memory and vanishes with it, and so do all mounts.
set -eu
tree=$1 cwd=$PWD
shift
PATH=/usr/sbin:/usr/bin:/sbin:/bin

mount -t tmpfs tmpfs "$tree/mnt"
root=$tree/mnt/root
mkdir "$tree/mnt/written" "$tree/mnt/work" "$root"
mount -t overlay overlay "$root" \
  -o "lowerdir=$tree,upperdir=$tree/mnt/written,workdir=$tree/mnt/work"
# The whole of /dev, for builds of Nix open pseudo-terminals and Chromium wants shared memory.
for folder in /dev /proc; do
  mount --rbind "$folder" "$root$folder"
done
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then
    mkdir -p "$root$2"
  else
    mkdir -p "$root$(dirname "$2")"
    touch "$root$2"
  fi
  mount --rbind "$1" "$root$2"
  shift 2
done
shift
[ -d "$root$cwd" ] || cwd=/
exec chroot "$root" env --chdir="$cwd" PATH="$PATH" "$@"
