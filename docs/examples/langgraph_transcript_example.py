"""A graph whose every message is a row of Postgres."""

import asyncio
import os

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph
from langgraph_transcript import open_saver


def reply(state: MessagesState) -> dict[str, list[AIMessage]]:
    return {"messages": [AIMessage(f"You said: {state['messages'][-1].text}")]}


async def main() -> None:
    async with open_saver(os.environ["DATABASE_URL"], owner=lambda config: "ada") as saver:
        await saver.setup()
        builder = StateGraph(MessagesState).add_node(reply).add_edge(START, "reply")
        graph = builder.compile(checkpointer=saver)
        config: RunnableConfig = {"configurable": {"thread_id": "1"}}
        state = await graph.ainvoke({"messages": [HumanMessage("Hello")]}, config)
        for message in state["messages"]:
            message.pretty_print()


asyncio.run(main())
