"""The hfit client: downloads, checks and loads packages."""
