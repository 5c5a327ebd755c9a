"""Tasks, and the MCP server that offers them to a model."""
