"""Looking after a database: what these commands say, and how far they have come."""
