"""What `devenv new` is made of: names, ports, templates, edits of files, and writing all of them or none."""
