"""The version, readable without any import; a test keeps it equal to the distribution's."""

VERSION = "0.1.0"
