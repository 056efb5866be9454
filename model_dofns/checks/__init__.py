"""Whether a model will work everywhere: the checks, one subject a module."""
