#!/bin/sh
# What is no command of the image is meant for @PROGRAM@: an option, or a file to run.
set -eu
case "${1-}" in
  -*) set -- @PROGRAM@ "$@" ;;
  *) if ! command -v "${1-}" >/dev/null 2>&1; then set -- @PROGRAM@ "$@"; fi ;;
esac
exec "$@"
