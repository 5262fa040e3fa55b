"""The Instrumentation Score, by the published rules that traces alone can be judged by."""
