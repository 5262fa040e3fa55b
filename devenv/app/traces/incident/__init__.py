"""``devenv report --incident``: what the engine reports beside the traces, and the parts of the document."""
