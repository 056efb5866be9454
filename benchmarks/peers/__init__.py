"""Others who could do the same, each in a virtual environment of its own: ``PEERS=1``."""
