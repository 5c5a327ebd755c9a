"""Changes that the database rolled back because of another transaction are made again."""

from psycopg.errors import DeadlockDetected, SerializationFailure
from sqlalchemy.exc import DBAPIError
from tenacity import (
    AsyncRetrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

ATTEMPTS = 5


def rolled_back_for_another(error: BaseException) -> bool:
    """Whether nothing of a transaction is stored, its commit included, and it may be tried again.

    The tools take one lock, and first, so they don't collide with each other; a maintenance job or
    somebody's own SQL may collide with them.
    """
    return isinstance(error, DBAPIError) and isinstance(
        error.orig, DeadlockDetected | SerializationFailure
    )


def attempts() -> AsyncRetrying:
    """Attempts at a transaction, a little apart; the last one's error is raised."""
    return AsyncRetrying(
        retry=retry_if_exception(rolled_back_for_another),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.02, max=1),
        reraise=True,
    )
