"""Looking over templates without a server: what it would refuse, and what a reviewer would ask."""
