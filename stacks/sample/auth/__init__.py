"""Who is calling: login, tokens and API keys."""
