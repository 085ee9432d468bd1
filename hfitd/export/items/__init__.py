"""Export types, one file each."""
