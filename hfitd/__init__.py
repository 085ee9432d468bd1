"""The hfitd daemon: a gateway between production data and the tests that need it."""
