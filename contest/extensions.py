"""The pieces of the application that are made once and shared: the database, the base of all models."""

from datetime import date, datetime
from typing import Any, ClassVar

from flask import g
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from sqlalchemy import Date, DateTime, LargeBinary, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, registry


class Base(DeclarativeBase):
    """Base of all models: moments are timestamptz, and every constraint has a name to migrate by."""

    registry: ClassVar[registry] = registry(
        type_annotation_map={
            datetime: DateTime(timezone=True),
            date: Date(),
            str: Text(),
            bytes: LargeBinary(),
            dict[str, Any]: JSONB(none_as_null=True),
            list[Any]: JSONB(none_as_null=True),
        },
        metadata=MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
    )


# The bind of the streaming replica.
REPLICA = "replica"


class RoutedSession(Session):
    """A session whose statements go to the replica while the request reads from there."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Any:
        """Return the engine or connection for a statement."""
        if g.get("reads_replica"):
            return self._db.engines[REPLICA]
        return super().get_bind(*args, **kwargs)


db = SQLAlchemy(model_class=Base, disable_autonaming=True, session_options={"class_": RoutedSession})
migrate = Migrate()
login_manager = LoginManager()
