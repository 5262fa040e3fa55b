"""devenv: a running, traced and verified distributed system on your own machine with one command."""

__version__ = "0.1.0"
