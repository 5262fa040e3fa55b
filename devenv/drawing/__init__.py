"""What the pages, the report of a run and the terminal share: tokens, words, scales and pictures."""
