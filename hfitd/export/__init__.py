"""What is exported, in what order, as which bytes."""
