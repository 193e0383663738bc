#!/bin/sh
# Options alone are meant for @PROGRAM@; anything else is a command of its own. The engine stops containers by TERM, which
# would cut off requests under way: @PROGRAM@ is told @SIGNAL@ instead, which lets them end.
set -eu
case "${1-}" in
  -*) set -- @PROGRAM@ "$@" ;;
esac
if [ "${1-}" != @PROGRAM@ ]; then exec "$@"; fi

child=
stop() {
  if [ -z "$child" ]; then exit 143; fi
  kill -@SIGNAL@ "$child" 2>/dev/null || :
}
trap stop TERM INT
trap 'kill -HUP "$child"' HUP
"$@" &
child=$!
code=0
wait "$child" || code=$?
while kill -0 "$child" 2>/dev/null; do
  code=0
  wait "$child" || code=$?
done
exit "$code"
