"""PostgreSQL, RabbitMQ and Elasticsearch for this checkout: their URLs, databases, virtual hosts and indices.

Standard library only, so that `python -m tests.servers up` works before the environment exists.
"""

from __future__ import annotations

from tests.servers import elasticsearch, postgres, rabbitmq, state

__all__ = [
    "NotRunning",
    "create_database",
    "create_vhost",
    "database_url",
    "databases",
    "drop_database",
    "drop_indices",
    "drop_vhost",
    "ensure_database",
    "rename_database",
    "urls",
    "vhost_url",
]

NotRunning = state.NotRunning


def urls() -> dict[str, str]:
    """Return the addresses of the servers as settings.

    returns   DATABASE_URL (app role) and DATABASE_OWNER_URL, both with `{service}` for the database's name; BUS_URL;
              SEARCH_URL ending in an index name; SEARCH_ROOT_URL without one
    raises    NotRunning   `make services` has not been run, or a server has ended
    """
    return state.urls(state.read_all())


def create_database(name: str, *, template: str = "template0") -> str:
    """Create a database owned by the owner role, empty or as a copy; return the app role's URL for it."""
    postgres.create_database(state.read("postgres"), name, template=template)
    return database_url(name)


def ensure_database(name: str) -> str:
    """Create a database unless it is there; return the app role's URL for it."""
    if not postgres.has_database(state.read("postgres"), name):
        create_database(name)
    return database_url(name)


def databases(prefix: str) -> list[str]:
    """Names of the databases that begin so."""
    return postgres.databases(state.read("postgres"), prefix)


def rename_database(name: str, new_name: str) -> None:
    """Rename a database that nobody uses."""
    postgres.sql(state.read("postgres"), f'ALTER DATABASE "{name}" RENAME TO "{new_name}"')


def drop_database(name: str) -> None:
    """Drop a database and its connections; a missing one is no error."""
    postgres.drop_database(state.read("postgres"), name)


def database_url(name: str, *, owner: bool = False) -> str:
    """URL of one database for the app role, or for the owner role that migrates."""
    return postgres.url(state.read("postgres"), owner=owner).replace("{service}", name)


def create_vhost(name: str) -> str:
    """Create a virtual host whose queues are quorum queues; return its AMQP URL."""
    rabbitmq.create_vhost(state.read("rabbitmq"), name)
    return vhost_url(name)


def drop_vhost(name: str) -> None:
    """Delete a virtual host with all its queues; a missing one is no error."""
    rabbitmq.drop_vhost(state.read("rabbitmq"), name)


def vhost_url(name: str) -> str:
    """AMQP URL of one virtual host."""
    return rabbitmq.url(state.read("rabbitmq"), name)


def drop_indices(prefix: str) -> None:
    """Delete every index whose name begins with the prefix."""
    elasticsearch.drop_indices(state.read("elasticsearch"), prefix)
