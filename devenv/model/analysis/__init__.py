"""The JSON documents of the commands that analyse traces."""
