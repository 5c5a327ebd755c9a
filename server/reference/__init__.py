"""`docs/tools.md`, written from what the task server says of itself."""
