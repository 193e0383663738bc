#!/bin/sh
# In a container the network is the boundary, as with the official image: without a password Redis would otherwise answer
# its own container only. Where nothing can be written there are no snapshots, because a failing one makes Redis refuse
# writes and even to stop. A later option of the caller's wins.
set -eu
real=/usr/bin/redis-server

# By trying: the shell's own test looks at the mode only and takes a read-only mount for writable.
writable() {
  (: >"$1/.probe") 2>/dev/null && rm "$1/.probe"
}

case "${1-}" in
  -v | --version | -h | --help | --test-memory | --check-system | -) exec "$real" "$@" ;;
  '' | -*) config= ;;
  *)
    config="$1"
    shift
    ;;
esac
if ! writable .; then set -- --save '' "$@"; fi
set -- --protected-mode no "$@"
if [ -n "$config" ]; then set -- "$config" "$@"; fi
exec "$real" "$@"
