"""The transaction type that code above the store passes along without knowing the driver."""

from sqlalchemy import Connection as Transaction

__all__ = ["Transaction"]
