"""Pictures of plans: tables and foreign keys in layers, as SVG. Pure: a plan's document in, text out."""
