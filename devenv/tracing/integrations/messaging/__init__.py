"""Clients of message brokers and task queues, one module for each; loaded when the program imports the library."""
