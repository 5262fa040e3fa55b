"""The lines of `devenv logs`: output of services, and what they send about themselves."""
