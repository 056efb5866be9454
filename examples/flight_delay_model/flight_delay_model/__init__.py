"""An example model package: how probable it is that a flight arrives late."""

__version__ = "1.0.0"
