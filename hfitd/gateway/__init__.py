"""The composed daemon as both doors see it."""
