"""The base class that models had before ml_base, as a package of its own had it."""

from abc import ABC, abstractmethod


class MLModelSchemaValidationError(Exception):
    """Data of another schema."""


class MLModel(ABC):
    """The base class."""

    @property
    @abstractmethod
    def display_name(self):
        raise NotImplementedError

    @property
    @abstractmethod
    def qualified_name(self):
        raise NotImplementedError

    @property
    @abstractmethod
    def description(self):
        raise NotImplementedError

    @property
    @abstractmethod
    def major_version(self):
        raise NotImplementedError

    @property
    @abstractmethod
    def minor_version(self):
        raise NotImplementedError

    @property
    @abstractmethod
    def input_schema(self):
        raise NotImplementedError

    @property
    @abstractmethod
    def output_schema(self):
        raise NotImplementedError

    @abstractmethod
    def __init__(self):
        raise NotImplementedError

    @abstractmethod
    def predict(self, data):
        try:
            self.input_schema.validate(data)
        except Exception as error:
            raise MLModelSchemaValidationError(f"Failed to validate: {error}") from error
