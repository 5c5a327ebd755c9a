"""Names of locales."""

import langcodes


def known_locale(name: str) -> str:
    """The name in the usual form ("de-AT"), if it names a language, and perhaps a region.

    Raises:
        ValueError: it doesn't.
    """
    if not langcodes.tag_is_valid(name):
        raise ValueError(
            f"{name!r} is not the name of a locale; use a BCP 47 name such as de-AT or en-US"
        )
    return langcodes.standardize_tag(name)
