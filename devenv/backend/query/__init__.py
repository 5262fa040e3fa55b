"""Search, look-ups and summaries over the store, in no dialect."""
