"""Names of time zones."""

from zoneinfo import ZoneInfo


def known_zone(name: str) -> str:
    """The name, if there is such a zone.

    Raises:
        ValueError: there is none.
    """
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{name!r} is not the name of a time zone; use an IANA name such as Europe/Vienna "
            "or UTC"
        ) from error
    return name
