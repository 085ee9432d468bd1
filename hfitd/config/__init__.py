"""config.toml becomes a frozen Config, or one report of every mistake."""
