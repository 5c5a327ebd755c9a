"""What the environment says of whom a server by itself serves."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from tzlocal import get_localzone_name

from ..context import ID_MAX, LOCAL_USER, known_locale
from ..errors import InvalidValueError
from ..texts import is_storable
from ..zones import time_zone


def _known_zone(name: str | None) -> str | None:
    if name is not None:
        try:
            time_zone(name)
        except InvalidValueError as error:
            raise ValueError(str(error).rstrip(".")) from error
    return name


def _known_locale(name: str | None) -> str | None:
    try:
        return None if name is None else known_locale(name)
    except InvalidValueError as error:
        raise ValueError(str(error).rstrip(".")) from error


def _known_user(name: str) -> str:
    if not name.strip() or len(name) > ID_MAX or not is_storable(name):
        raise ValueError(f"it has to be text of 1 to {ID_MAX} characters that is not blank")
    return name


class StandaloneSettings(BaseSettings):
    """Read from the environment when an instance is made."""

    model_config = SettingsConfigDict(populate_by_name=True, env_ignore_empty=True, extra="ignore")

    #: The user whose tasks are served over stdio: `users.subject`.
    user: Annotated[str, AfterValidator(_known_user)] = Field(
        default=LOCAL_USER, validation_alias="TASK_AGENT_USER"
    )
    #: The zone of dates where nothing else names one; the machine's own when unset.
    time_zone: Annotated[str | None, AfterValidator(_known_zone)] = Field(
        default=None, validation_alias="TASK_AGENT_TIME_ZONE"
    )

    #: The locale that dates are written in where nothing else names one.
    locale: Annotated[str | None, AfterValidator(_known_locale)] = Field(
        default=None, validation_alias="TASK_AGENT_LOCALE"
    )

    @property
    def zone(self) -> ZoneInfo:
        return time_zone(self.time_zone or get_localzone_name() or "UTC")
