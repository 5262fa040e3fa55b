"""From observed state and target to a plan: pure functions, and the values that they return."""
