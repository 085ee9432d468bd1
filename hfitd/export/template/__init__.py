"""Templates: strict text in, frozen value out."""
