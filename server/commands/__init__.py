"""Commands of `task-agent` that stand by themselves: each module is one, or a group of them."""
