#!/bin/sh
# Starts nginx by the module nginx_start. usage: nginx.sh PYTHON OPTIONS
exec "$1" -m devenv.orchestrate.derivation.nginx_start "$2"
