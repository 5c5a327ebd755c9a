"""The shapes of what goes in and out of the tools: arguments, and structured answers."""
