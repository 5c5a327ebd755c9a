"""What can be read of tasks: by reference, by search, at a glance, and from the ledger."""
