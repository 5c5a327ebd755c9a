"""What can be done to tasks and lists, each change with its events, each call once."""
