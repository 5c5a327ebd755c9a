"""One tool node for the same tools, however often it is asked for."""

from langchain_core.tools import BaseTool, tool

from graph.tool_nodes import ToolNodes


@tool
def swim() -> str:
    """Swim."""
    return "swum"


@tool
def fly() -> str:
    """Fly."""
    return "flown"


def test_the_same_tools_have_the_same_node_and_others_another() -> None:
    nodes = ToolNodes(str)
    both: list[BaseTool] = [swim, fly]
    node = nodes.of(both)
    assert list(node.tools_by_name) == ["swim", "fly"]
    assert nodes.of(list(both)) is node
    assert list(nodes.of([fly]).tools_by_name) == ["fly"]
    # Tools that only look alike may do something else.
    copies = [each.model_copy() for each in both]
    other = nodes.of(copies)
    assert other is not node
    assert other.tools_by_name["swim"] is copies[0]


def test_a_list_that_is_changed_afterwards_is_another_list() -> None:
    nodes = ToolNodes(str)
    tools: list[BaseTool] = [swim]
    assert list(nodes.of(tools).tools_by_name) == ["swim"]
    tools.append(fly)
    assert list(nodes.of(tools).tools_by_name) == ["swim", "fly"]
