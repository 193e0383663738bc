#!/bin/sh
# Starts PostgreSQL, after making the database on the first boot. The first boot works in a folder of its own within the
# data folder and listens on a Unix socket only; its outcome is moved in place at the end, PG_VERSION last. So whatever is
# interrupted is either finished or begun anew at the next start, and an answer over TCP means that all is ready.
set -eu
umask 077

: "${PGDATA:=/var/lib/postgresql/data}"
staging="$PGDATA/.first-boot"

main() {
  case "${1-}" in
    '') set -- postgres ;;
    -*) set -- postgres "$@" ;;
  esac
  if [ "$1" != postgres ]; then exec "$@"; fi
  shift
  choose_socket_folder
  mkdir -p "$PGDATA"
  chmod 0700 "$PGDATA" 2>/dev/null || :
  if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ ! -e "$staging/.complete" ]; then initialise; fi
    move_in_place
  fi
  rm -rf "$staging"
  serve "$@"
}

# The engine stops containers by TERM, at which PostgreSQL would wait for its clients to leave. INT makes it end their
# sessions and write everything out. What a shell begins in the background ignores INT until it minds it itself: till then
# TERM ends it.
serve() {
  child=
  trap stop TERM INT
  trap 'kill -HUP "$child"' HUP
  postgres -D "$PGDATA" -k "$sockets" "$@" &
  child=$!
  code=0
  wait "$child" || code=$?
  while kill -0 "$child" 2>/dev/null; do
    code=0
    wait "$child" || code=$?
  done
  exit "$code"
}

stop() {
  if [ -z "$child" ]; then exit 143; fi
  kill -TERM "$child" 2>/dev/null || :
  kill -INT "$child" 2>/dev/null || :
}

choose_socket_folder() {
  for sockets in /var/run/postgresql /tmp "$PGDATA"; do
    mkdir -p "$sockets" 2>/dev/null || :
    if writable "$sockets"; then return; fi
  done
}

# By trying: the shell's own test looks at the mode only and takes a read-only mount for writable.
writable() {
  (: >"$1/.probe") 2>/dev/null && rm "$1/.probe"
}

initialise() {
  : "${POSTGRES_USER:=postgres}"
  : "${POSTGRES_DB:=$POSTGRES_USER}"
  host_auth="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
  if [ -z "${POSTGRES_PASSWORD-}" ] && [ "$host_auth" != trust ]; then
    echo 'The first boot needs a password for the database: set POSTGRES_PASSWORD.' >&2
    exit 1
  fi
  rm -rf "$staging"
  if [ -n "${POSTGRES_PASSWORD-}" ]; then
    printf '%s\n' "$POSTGRES_PASSWORD" | make_cluster --pwfile=/dev/stdin
  else
    make_cluster
  fi
  printf '\nhost all all all %s\n' "$host_auth" >>"$staging/pg_hba.conf"
  printf "\nlisten_addresses = '*'\n" >>"$staging/postgresql.conf"
  create_database
  sync -f "$staging" 2>/dev/null || sync
  : >"$staging/.complete"
}

make_cluster() {
  initdb -D "$staging" --username="$POSTGRES_USER" --encoding=UTF8 --locale=C.UTF-8 \
    --auth-local=trust --auth-host=scram-sha-256 "$@"
}

create_database() {
  if [ "$POSTGRES_DB" = postgres ]; then return; fi
  pg_ctl -D "$staging" -w -s -o "-c listen_addresses='' -k '$sockets'" start
  psql -h "$sockets" -U "$POSTGRES_USER" -d postgres --no-psqlrc --quiet \
    -v ON_ERROR_STOP=1 -v database="$POSTGRES_DB" <<'SQL'
CREATE DATABASE :"database";
SQL
  pg_ctl -D "$staging" -w -s -m fast stop
}

# Each step is a rename, so it can be interrupted and taken up again anywhere.
move_in_place() {
  for path in "$staging"/*; do
    if [ "${path##*/}" != PG_VERSION ]; then mv "$path" "$PGDATA/"; fi
  done
  sync -f "$PGDATA" 2>/dev/null || sync
  mv "$staging/PG_VERSION" "$PGDATA/"
}

main "$@"
