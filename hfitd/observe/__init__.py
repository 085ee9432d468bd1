"""What happens inside: one closed set of events, each a log line and a metric."""
