#!/bin/sh
# Options alone are meant for @PROGRAM@; anything else is a command of its own.
set -eu
case "${1-}" in
  -*) set -- @PROGRAM@ "$@" ;;
esac
exec "$@"
