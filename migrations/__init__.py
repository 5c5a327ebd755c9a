"""The migrations of the whole database: this app's tables with Alembic, and LangGraph's own."""
