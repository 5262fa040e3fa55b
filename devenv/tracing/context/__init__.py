"""The current context, and the header formats of W3C Trace Context and Baggage."""
