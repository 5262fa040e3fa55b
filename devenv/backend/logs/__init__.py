"""Log records in memory, received by OTLP, and the search over them."""
