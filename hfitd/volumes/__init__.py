"""Files below a volume's root, and nothing else."""
