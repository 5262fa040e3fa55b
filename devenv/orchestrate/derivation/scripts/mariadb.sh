#!/bin/sh
# Starts MariaDB with the database, user and passwords of the variables of its image, or of MySQL's; the port is MYSQL_TCP_PORT.
# usage: mariadb.sh DATA PROGRAM COUNT [SCRIPT…] [OPTION…]   COUNT scripts run once, as those of docker-entrypoint-initdb.d
set -eu
umask 077
data=$1 program=$2 count=$3
shift 3
root=${MARIADB_ROOT_PASSWORD:-${MYSQL_ROOT_PASSWORD:-}}
database=${MARIADB_DATABASE:-${MYSQL_DATABASE:-}}
user=${MARIADB_USER:-${MYSQL_USER:-}}
password=${MARIADB_PASSWORD:-${MYSQL_PASSWORD:-}}
as_root=""
[ "$(id -u)" != 0 ] || as_root=--user=root
own="--no-defaults --datadir=$data $as_root"

quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/['\\\\]/\\\\&/g")"; }

if [ ! -d "$data/mysql" ]; then
  new=$data.new
  rm -rf "$new"
  mkdir -p "$new"
  # It says on its standard output what it lacks, such as my_print_defaults, which Debian has in another package.
  said=$(mariadb-install-db --no-defaults "--datadir=$new" $as_root --auth-root-authentication-method=normal --skip-test-db) || {
    printf '%s\n' "$said" >&2
    exit 1
  }
  {
    echo "FLUSH PRIVILEGES;"
    [ -z "$database" ] || echo "CREATE DATABASE IF NOT EXISTS \`$database\`;"
    if [ -n "$user" ]; then
      echo "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$password");"
      [ -z "$database" ] || echo "GRANT ALL ON \`$database\`.* TO $(quoted "$user")@'%';"
    fi
    echo "CREATE USER 'root'@'%' IDENTIFIED BY $(quoted "$root");"
    echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
    [ -z "$root" ] || echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(quoted "$root");"
  } | "$program" --no-defaults "--datadir=$new" $as_root --bootstrap --skip-networking
  if [ "$count" -gt 0 ]; then
    sockets=$(mktemp -d)
    trap 'rm -rf "$sockets"' EXIT
    access="--no-defaults --socket=$sockets/s --user=root --password=$root"
    "$program" --no-defaults "--datadir=$new" $as_root --skip-networking "--socket=$sockets/s" &
    server=$!
    until mariadb $access -e "SELECT 1" >/dev/null 2>&1; do
      kill -0 "$server"
      sleep 0.1
    done
    for script in "$@"; do
      [ "$count" -gt 0 ] || break
      count=$((count - 1))
      echo "running $script" >&2
      case $script in
        *.sh) sh "$script" ;;
        *.sql) mariadb $access $database <"$script" ;;
        *.sql.gz) gunzip -c "$script" | mariadb $access $database ;;
      esac
    done
    mariadb $access -e SHUTDOWN
    wait "$server"
    rm -rf "$sockets"
  fi
  rm -rf "$data"
  mv "$new" "$data"
fi
while [ "$#" -gt 0 ] && [ -f "$1" ]; do shift; done
# shellcheck disable=SC2086
exec "$program" $own "$@" "--port=$MYSQL_TCP_PORT" --bind-address=127.0.0.1 --skip-name-resolve "--socket=${MYSQL_UNIX_PORT:-}" "--pid-file=$data/pid"
