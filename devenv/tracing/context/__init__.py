"""The current context, and W3C Trace Context's and Baggage's header formats."""
