"""The agent: a LangGraph state graph with an agent node and a tool node."""
