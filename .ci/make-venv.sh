#!/bin/sh
# Creates the virtual environment with the first suitable Python, or prints what is missing.
# usage: make-venv.sh DIRECTORY     (PYTHON names an interpreter to use instead of looking for one)
set -eu

directory=$1
found=""

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do
  command -v "$candidate" >/dev/null 2>&1 || continue
  found="$found $candidate ($("$candidate" --version 2>&1 | tail -n 1))"
  usable "$candidate" || continue
  if ! "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
    found="$found without venv"
    continue
  fi
  "$candidate" -m venv "$directory"
  exit 0
done

echo "devenv needs Python 3.11 or later with venv; found:${found:- no Python at all}." >&2
echo "hint: on Debian or Ubuntu: apt install python3 python3-venv; elsewhere name one: make PYTHON=/path/to/python3.12 …" >&2
exit 3
