#!/bin/sh
# In a container the network is the boundary, as with the official image: without a password Redis would otherwise answer
# its own container only. A later option of the caller's wins.
set -eu
real=/usr/bin/redis-server
case "${1-}" in
  -v | --version | -h | --help | --test-memory | --check-system | -) exec "$real" "$@" ;;
  '' | -*) exec "$real" --protected-mode no "$@" ;;
esac
config="$1"
shift
exec "$real" "$config" --protected-mode no "$@"
