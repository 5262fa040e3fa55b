"""Service level objectives: verdicts, error budgets and burn rates."""
