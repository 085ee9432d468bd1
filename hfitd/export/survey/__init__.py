"""Looking through a provider for columns that hold something of a person."""
