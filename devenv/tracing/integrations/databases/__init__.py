"""Drivers of database servers, one module for each; loaded when the program imports the driver."""
