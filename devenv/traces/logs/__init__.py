"""Log records beside the traces: queries, and their form in requests and responses."""
