#!/bin/sh
# Installs `devenv` on the PATH permanently, and never overwrites another tool of the same name (there is one for Nix).
# usage: install.sh check | install VENV
#   check    print how to call `devenv`
#   install  by pipx or uv if one is installed, else by a link in ~/.local/bin to VENV's script
set -eu

bin="${HOME}/.local/bin"

# Our script is a Python one that names our entry point; following links also finds a link of ours.
ours() { grep -qsa "devenv.__main__" "$(readlink -f "$1")"; }

# Prints the path of another tool's `devenv` on the PATH, if there is one.
other() {
  for candidate in "$(command -v devenv || true)" "$bin/devenv"; do
    if [ -n "$candidate" ] && [ -e "$candidate" ] && ! ours "$candidate"; then
      echo "$candidate"
      return
    fi
  done
}

on_path() {
  case ":$PATH:" in *":$bin:"*) return 0 ;; *) return 1 ;; esac
}

check() {
  taken=$(other)
  if [ -n "$taken" ]; then
    echo "\`devenv\` on this machine is another tool of that name: $taken; call this one .venv/bin/devenv."
  elif command -v devenv >/dev/null 2>&1; then
    echo "\`devenv\` is on the PATH: $(command -v devenv)"
  else
    echo "To call it as \`devenv\` from anywhere: make install (pipx, uv tool or a link in ~/.local/bin)."
    echo "In this shell alone: export PATH=\"$(pwd)/.venv/bin:\$PATH\""
  fi
}

install() {
  taken=$(other)
  if [ -n "$taken" ]; then
    echo "not installed: $taken is another tool of the same name, and is not changed." >&2
    echo "hint: call this one by its path, $(pwd)/$1/bin/devenv, or as an alias: alias tdevenv=$(pwd)/$1/bin/devenv" >&2
    exit 1
  fi
  if command -v pipx >/dev/null 2>&1; then
    pipx install --force ".[cli]"
  elif command -v uv >/dev/null 2>&1; then
    uv tool install --force ".[cli]"
  else
    mkdir -p "$bin"
    ln -sfn "$(pwd)/$1/bin/devenv" "$bin/devenv"
    echo "linked $bin/devenv -> $(pwd)/$1/bin/devenv"
    on_path || echo "hint: $bin is not on the PATH yet; add to your shell's profile: export PATH=\"\$HOME/.local/bin:\$PATH\""
  fi
}

case ${1:-} in
  check) check ;;
  install) install "$2" ;;
  *) echo "usage: install.sh check | install VENV" >&2 && exit 2 ;;
esac
