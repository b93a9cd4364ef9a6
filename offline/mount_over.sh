# Runs a program that sees a folder at another path, in a mount namespace: outside inside -- argv
set -eu
mount --bind "$1" "$2"
shift 3
exec "$@"
