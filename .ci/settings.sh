# Directories and messages of the CI scripts; sourced by them, never run.
# shellcheck shell=bash

CACHE=${DEVENV_CI_CACHE:-/var/cache/devenv-ci}   # survives a run: binaries, image tarballs, the base tree
STATE=${DEVENV_CI_STATE:-/var/lib/devenv-ci}     # the engine's own data, pid files and logs
RUN=${DEVENV_CI_RUN:-/run/devenv-ci}             # the engine's sockets and namespaces
CI_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$CI_DIR")

JAEGER_MODULE=v1.76.0        # the Go module's number of Jaeger 2.13.0
JAEGER_VERSION=2.13.0
COMPOSE_VERSION=v2.40.3
GO_MINIMUM=1.24.6            # what Jaeger's go.mod asks for
GO_TOOLCHAIN=go1.25.4        # fetched through the module proxy if the installed Go is older
REGISTRY_PORT=${DEVENV_CI_REGISTRY_PORT:-5000}
SOCKET=${DEVENV_CI_SOCKET:-/var/run/docker.sock}

say() { printf '\033[1m>> %s\033[0m\n' "$*" >&2; }
die() { printf 'ci: %s\n' "$*" >&2; exit 1; }

# Waits for a command to succeed: await SECONDS COMMAND...
await() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# True if the process in a pid file is alive and is the named program: alive FILE PROGRAM
alive() {
  [[ -s $1 ]] && [[ $(cat "/proc/$(cat "$1")/comm" 2>/dev/null) == "$2" ]]
}

export PATH=$PATH:/usr/sbin:/sbin # where dockerd, debootstrap and ip are, for a shell that is not a login
mkdir -p "$CACHE/bin" "$CACHE/images" "$CACHE/log" "$STATE"
