"""A conversation as a test: exported with all that it depended on, and run again."""
