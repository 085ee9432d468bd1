"""The web console: pages for those who would rather look than type, each through the functions of the API."""
