"""How results and progress look: on a terminal, plain, or as JSON."""
