"""Many packages at once: what ``hfit.toml`` asks for, what ``hfit.lock`` remembers, and the local cache."""
