"""What ``--json`` prints and what the methods of ``hfit.Client`` give back as mappings: the shape of each document.

They are for programs, so they only grow: a key that stands here stays and keeps its type. ``docs/schemas/`` has them as
JSON Schemas, made from these classes; tests hold real output of every command against them.
"""
