"""What `langgraph dev` is given beside the graph: an HTTP app of our own."""
