"""What may differ from run to run: LangGraph's context, which a client gives with its input."""

from dataclasses import dataclass
from functools import cache

from pydantic import BaseModel, ConfigDict, Field, field_validator
from tzlocal import get_localzone_name

from .locales import known_locale
from .settings import AgentSettings, Approval
from .zones import known_zone


class Context(BaseModel):
    """Choices for one run."""

    model_config = ConfigDict(title="Task agent context", extra="ignore")

    model: str | None = Field(
        default=None,
        title="Model",
        description=(
            "The chat model, such as gpt-4.1-mini, or 'offline' for the built-in one that needs "
            "no key. Empty: what the server is configured with."
        ),
    )
    time_zone: str | None = Field(
        default=None,
        title="Time zone",
        description=(
            "The IANA name of the zone in which 'tomorrow at 9' is understood, such as "
            "Europe/Vienna. Empty: the server's own."
        ),
    )
    locale: str | None = Field(
        default=None,
        title="Locale",
        description=(
            "How the person writes dates, as a BCP 47 name such as de-AT: '3/4' is April there, "
            "and March with en-US. Empty: what the server is configured with."
        ),
    )
    approval: Approval | None = Field(
        default=None,
        title="Approval",
        description=(
            "Which tool calls wait for a person's approval: 'off' for none, 'deletes' for those "
            "that destroy something, 'writes' for all that may change something. Empty: what the "
            "server is configured with."
        ),
    )

    @field_validator("model", "time_zone", "locale", "approval", mode="before")
    @classmethod
    def _blank_is_none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        return None if value is None else known_zone(value)

    @field_validator("locale")
    @classmethod
    def _known_locale(cls, value: str | None) -> str | None:
        return None if value is None else known_locale(value)


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What the dates of a run are understood by."""

    #: The IANA name of the person's zone.
    zone: str
    #: How they write dates; none where it isn't known.
    locale: str | None


def whereabouts_of(context: Context | None, settings: AgentSettings) -> Whereabouts:
    """By which zone and locale a run's dates are understood."""
    return Whereabouts(zone_of(context, settings), locale_of(context, settings))


def zone_of(context: Context | None, settings: AgentSettings) -> str:
    """The name of the zone in which a run's times are understood."""
    named = context.time_zone if context is not None else None
    return named or settings.time_zone or machine_zone()


def locale_of(context: Context | None, settings: AgentSettings) -> str | None:
    """The locale that a run's dates are written in; none where nobody has said.

    The machine's own is not asked: it is that of the programs there, and with none a date that
    could be two days is asked about.
    """
    named = context.locale if context is not None else None
    return named or settings.locale


@cache
def machine_zone() -> str:
    """The IANA name of the machine's own time zone; UTC where it has none."""
    return get_localzone_name() or "UTC"
