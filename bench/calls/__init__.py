"""`make bench-calls`: what a tool call costs, and a search in many tasks.

- `ways`: a call by the agent, by the adapters as they come, and by a plain Python function.
- `measuring`: many calls of each, and what was to be reached.
- `finding`: each kind of search in 100,000 tasks of one user.
- `page`: what is printed, and written to docs/benchmark-calls.md.
"""
