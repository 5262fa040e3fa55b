"""devenv's own checks of tracing; no score depends on them."""
