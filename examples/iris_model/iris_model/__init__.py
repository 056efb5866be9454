"""An example model package: the species of an iris."""

__version__ = "1.0.0"
