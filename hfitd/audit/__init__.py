"""Who got what, written before it is given: chained records, sinks, verification."""
