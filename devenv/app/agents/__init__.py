"""``devenv agents``: adds, lists and removes the tracing agents of Node.js and Java."""
