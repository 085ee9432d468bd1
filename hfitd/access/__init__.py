"""Who may do what: keys, login, tokens, policy, limits."""
