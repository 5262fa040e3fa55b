"""``devenv check``: reads traces, and asks for what traces alone do not tell."""
