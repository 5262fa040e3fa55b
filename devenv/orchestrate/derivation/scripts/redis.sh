#!/bin/sh
# Starts Redis; the port is PORT. usage: redis.sh DATA PROGRAM [OPTION…]
set -eu
data=$1 program=$2
shift 2
mkdir -p "$data"
exec "$program" "$@" --port "$PORT" --bind 127.0.0.1 --dir "$data" --daemonize no
