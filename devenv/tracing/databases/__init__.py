"""Database spans: what is recorded of a statement, of its server and of its failure."""
