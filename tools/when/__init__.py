"""When a task is due and how it repeats, in the words that people use."""
