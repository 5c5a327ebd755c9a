"""What LangGraph's plain saver stores: taking it into the tree, and writing it back."""
