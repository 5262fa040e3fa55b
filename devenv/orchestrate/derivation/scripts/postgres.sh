#!/bin/sh
# Starts PostgreSQL with the database, user and password of the variables of its image; the port is PGPORT.
# usage: postgres.sh DATA PROGRAMS COUNT [SCRIPT…] [OPTION…]   COUNT scripts run once, as those of docker-entrypoint-initdb.d
set -eu
umask 077
data=$1 programs=$2 count=$3
shift 3
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
unset PGDATA PGUSER PGPASSWORD PGDATABASE || true

as_user=""
if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root; its files stay within reach by the capability
  as_user="setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override"
fi

if [ ! -s "$data/PG_VERSION" ]; then
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
    echo "POSTGRES_PASSWORD is not set: set it, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
    exit 1
  fi
  new=$data.new
  rm -rf "$new"
  mkdir -p "$new"
  [ -z "$as_user" ] || chown 65534 "$new"
  password=$(mktemp) sockets=$(mktemp -d)
  trap 'rm -rf "$password" "$sockets"' EXIT
  printf '%s\n' "${POSTGRES_PASSWORD:-trust}" >"$password"
  [ -z "$as_user" ] || chown 65534 "$password" "$sockets"
  # shellcheck disable=SC2086
  $as_user "$programs/initdb" -D "$new" -U "$user" --pwfile="$password" -E UTF8 --locale=C.UTF-8 --no-sync \
    --auth-local=trust --auth-host="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" ${POSTGRES_INITDB_ARGS:-} >/dev/null
  if [ "$database" != postgres ]; then
    printf 'CREATE DATABASE "%s"\n' "$database" |
      $as_user "$programs/postgres" --single -D "$new" postgres >/dev/null
  fi
  if [ "$count" -gt 0 ]; then
    $as_user "$programs/pg_ctl" -D "$new" -w -s -o "-c listen_addresses='' -c unix_socket_directories=$sockets" start
    query="$programs/psql -v ON_ERROR_STOP=1 -q -h $sockets -U $user -d $database"
    for script in "$@"; do
      [ "$count" -gt 0 ] || break
      count=$((count - 1))
      echo "running $script" >&2
      case $script in
        *.sh) (PGHOST=$sockets PGUSER=$user PGDATABASE=$database PATH=$programs:$PATH sh "$script") ;;
        *.sql) $query <"$script" ;;
        *.sql.gz) gunzip -c "$script" | $query ;;
      esac
    done
    count=0
    $as_user "$programs/pg_ctl" -D "$new" -w -s -m fast stop
  fi
  rm -rf "$data"
  mv "$new" "$data"
  rm -rf "$password" "$sockets"
fi
while [ "$#" -gt 0 ] && [ -f "$1" ]; do shift; done
exec $as_user "$programs/postgres" -D "$data" "$@" -p "$PGPORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
