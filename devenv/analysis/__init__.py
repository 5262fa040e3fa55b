"""Pure functions over traces and measurements: span trees, completeness, critical path, percentiles, thresholds."""
