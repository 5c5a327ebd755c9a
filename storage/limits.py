"""Lengths that columns have and that texts are cut to."""

ROLE_MAX = 20
TITLE_MAX = 200
