"""Pictures for documents and issues: a plan's tables, or the way to a row, as DOT, Mermaid or SVG."""
