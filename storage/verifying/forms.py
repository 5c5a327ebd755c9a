"""Checkpoints that lack what LangGraph takes for granted in one, so that nothing can read them."""

# Whether row `k` of `checkpoints` has all that.
_IS_WHOLE = """(
    jsonb_typeof(k.checkpoint -> 'v') = 'number'
    AND jsonb_typeof(k.checkpoint -> 'id') = 'string'
    AND jsonb_typeof(k.checkpoint -> 'channel_versions') = 'object'
    AND NOT jsonb_path_exists(
        k.checkpoint -> 'channel_versions',
        'strict $.* ? (@.type() != "string" && @.type() != "number")', '{}', true
    )
    AND jsonb_typeof(k.checkpoint -> 'versions_seen') = 'object'
    AND coalesce(jsonb_typeof(k.checkpoint -> 'channel_values'), 'null') IN ('object', 'null')
    AND jsonb_typeof(k.metadata) = 'object'
) IS TRUE"""

# The versions of the channels of row `k`, by channel; none where that can't be said.
_VERSIONS = """
    jsonb_each_text(
        CASE jsonb_typeof(k.checkpoint -> 'channel_versions')
        WHEN 'object' THEN k.checkpoint -> 'channel_versions' END
    )
"""


def with_forms(query: str) -> str:
    """A query with `{is_whole}` and `{versions}`, of row `k` of `checkpoints`, filled in.

    The first says whether the row has what any checkpoint has; the second are the versions of its
    channels, none where it doesn't tell them.
    """
    return query.replace("{is_whole}", _IS_WHOLE).replace("{versions}", _VERSIONS)
