"""What the pytest plugin does when a test asks for it: packages for markers, databases that are put back."""
