#!/bin/sh
# Starts RabbitMQ with the user and virtual host of the variables of its image; the port is RABBITMQ_NODE_PORT.
# usage: rabbitmq.sh DATA PROGRAM [MANAGEMENT_PORT]
set -eu
umask 077
data=$1 program=$2 management=${3:-}
mkdir -p "$data"
for name in MNESIA_BASE LOG_BASE SCHEMA_DIR GENERATED_CONFIG_DIR PLUGINS_EXPAND_DIR ENABLED_PLUGINS_FILE CONFIG_FILE PID_FILE \
  FEATURE_FLAGS_FILE CONF_ENV_FILE; do
  export "RABBITMQ_$name=$data/$(echo "$name" | tr '[:upper:]' '[:lower:]')"
done
export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_LOGS=- LANG=C.UTF-8
export RABBITMQ_CONFIG_FILE="$data/rabbitmq.conf"
{
  echo "default_user = ${RABBITMQ_DEFAULT_USER:-guest}"
  echo "default_pass = ${RABBITMQ_DEFAULT_PASS:-guest}"
  echo "default_vhost = ${RABBITMQ_DEFAULT_VHOST:-/}"
  [ -z "$management" ] || printf 'management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %s\n' "$management"
} >"$RABBITMQ_CONFIG_FILE"
if [ -n "$management" ]; then echo "[rabbitmq_management]."; else echo "[]."; fi >"$RABBITMQ_ENABLED_PLUGINS_FILE"
unset RABBITMQ_DEFAULT_USER RABBITMQ_DEFAULT_PASS RABBITMQ_DEFAULT_VHOST PORT || true
exec "$program"
