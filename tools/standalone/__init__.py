"""The task server by itself, for any MCP client: one person over stdio, many over HTTP."""
