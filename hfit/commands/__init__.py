"""The commands of ``hfit``, one module per subject, loaded when one of them runs."""
