"""How a service of images runs as a process of this machine, from its build context: only files are read."""
