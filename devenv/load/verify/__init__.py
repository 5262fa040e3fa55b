"""Looking the requests of a run up in the trace backend, and giving each one its class."""
