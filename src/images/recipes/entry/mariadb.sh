#!/bin/sh
# Starts MariaDB, after making the database on the first boot. The first boot runs the server without any listener, in a
# folder of its own within the data folder; its outcome is moved in place at the end, the folder `mysql` last. So whatever
# is interrupted is either finished or begun anew at the next start, and an answer over TCP means that all is ready.
set -eu
umask 027

data=/var/lib/mysql
staging="$data/.first-boot"
scripts=/usr/share/mysql

main() {
  case "${1-}" in
    '') set -- mariadbd ;;
    -*) set -- mariadbd "$@" ;;
    mysqld) shift; set -- mariadbd "$@" ;;
  esac
  if [ "$1" != mariadbd ]; then exec "$@"; fi
  shift
  if [ ! -d "$data/mysql" ]; then
    if [ ! -e "$staging/.complete" ]; then initialise; fi
    move_in_place
  fi
  rm -rf "$staging"
  mkdir -p /run/mysqld 2>/dev/null || :
  if writable /run/mysqld; then sockets=/run/mysqld; else sockets=/tmp; fi
  exec mariadbd --socket="$sockets/mysqld.sock" --pid-file="$sockets/mysqld.pid" "$@"
}

# By trying: the shell's own test looks at the mode only and takes a read-only mount for writable.
writable() {
  (: >"$1/.probe") 2>/dev/null && rm "$1/.probe"
}

initialise() {
  if [ -z "${MARIADB_ROOT_PASSWORD-}" ]; then
    echo 'The first boot needs a password for the database: set MARIADB_ROOT_PASSWORD.' >&2
    exit 1
  fi
  rm -rf "$staging"
  mkdir -p "$staging"
  statements | mariadbd --bootstrap --datadir="$staging" --skip-networking --log-warnings=0 \
    --max-allowed-packet=8M --net-buffer-length=16K
  sync -f "$staging" 2>/dev/null || sync
  : >"$staging/.complete"
}

statements() {
  echo 'CREATE DATABASE IF NOT EXISTS mysql;'
  echo 'USE mysql;'
  echo 'SET @auth_root_socket=NULL;'
  cat "$scripts/mysql_system_tables.sql" "$scripts/mysql_performance_tables.sql" \
    "$scripts/mysql_system_tables_data.sql" "$scripts/fill_help_tables.sql" \
    "$scripts/maria_add_gis_sp_bootstrap.sql" "$scripts/mysql_sys_schema.sql"
  echo 'FLUSH PRIVILEGES;'
  account root localhost "$MARIADB_ROOT_PASSWORD"
  account root % "$MARIADB_ROOT_PASSWORD"
  echo "GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
  echo "GRANT ALL ON *.* TO root@localhost WITH GRANT OPTION;"
  own_database
}

own_database() {
  if [ -n "${MARIADB_DATABASE-}" ]; then
    set_variable name "$MARIADB_DATABASE"
    echo "SET @quoted = CONCAT('\`', REPLACE(@name, '\`', '\`\`'), '\`');"
    echo "EXECUTE IMMEDIATE CONCAT('CREATE DATABASE IF NOT EXISTS ', @quoted, ' CHARACTER SET utf8mb4');"
  fi
  if [ -n "${MARIADB_USER-}" ] && [ "$MARIADB_USER" != root ]; then
    account "$MARIADB_USER" % "${MARIADB_PASSWORD-}"
    if [ -n "${MARIADB_DATABASE-}" ]; then
      # In a grant, _ and % of a database's name are patterns.
      echo "SET @pattern = REPLACE(REPLACE(@quoted, '_', CONCAT(CHAR(92), '_')), '%', CONCAT(CHAR(92), '%'));"
      echo "EXECUTE IMMEDIATE CONCAT('GRANT ALL ON ', @pattern, '.* TO ', @account);"
    fi
  fi
}

# Values go in as hexadecimal digits and are quoted by the server, so that none of them can be read as SQL.
account() {
  set_variable user "$1"
  set_variable host "$2"
  set_variable password "$3"
  echo "SET @account = CONCAT(QUOTE(@user), '@', QUOTE(@host));"
  echo "EXECUTE IMMEDIATE CONCAT('CREATE OR REPLACE USER ', @account, ' IDENTIFIED BY ', QUOTE(@password));"
}

set_variable() {
  echo "SET @$1 = CONVERT(X'$(printf '%s' "$2" | od -An -v -tx1 | tr -d ' \n')' USING utf8mb4);"
}

# Each step is a rename, so it can be interrupted and taken up again anywhere.
move_in_place() {
  for path in "$staging"/*; do
    if [ "${path##*/}" != mysql ]; then mv "$path" "$data/"; fi
  done
  sync -f "$data" 2>/dev/null || sync
  mv "$staging/mysql" "$data/"
}

main "$@"
