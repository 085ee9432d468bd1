"""Referentially complete subsets: which rows belong to some roots, and how they are written so that they load."""
