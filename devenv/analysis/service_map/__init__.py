"""Calls between services, databases, brokers and external systems: observed and declared."""
