"""One small module for each library; a module is imported only by whoever uses that library."""
