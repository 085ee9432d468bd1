"""Regular expressions with a bound on their time: linear in the text, whatever the pattern."""
