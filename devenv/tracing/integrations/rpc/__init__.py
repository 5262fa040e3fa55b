"""Remote procedure calls: gRPC, one module for each side and each of its two interfaces."""
