"""One small module per library, imported only by programs that use the library."""
