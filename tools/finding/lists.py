"""The user's lists, with the Inbox first."""

from sqlmodel.ext.asyncio.session import AsyncSession

from ..context import Caller
from ..shapes.views import INBOX, ListPage, ListView
from .seeing import Seeing
from .showing import shown_list
from .users import find_user


async def find_lists(session: AsyncSession, caller: Caller) -> ListPage:
    """Every list with the number of its open tasks; those put away come last."""
    user_id = await find_user(session, caller.subject)
    if user_id is None:
        return ListPage(lists=[ListView(name=INBOX, open=0)])
    seeing = Seeing(session, user_id, caller.zone)
    lists = (await seeing.lists()).values()
    counts = await seeing.open_tasks([None, *(found.id for found in lists)])
    views = [shown_list(found, counts[found.id], caller.zone) for found in lists]
    views.sort(key=lambda view: view.archived is not None)
    return ListPage(lists=[ListView(name=INBOX, open=counts[None]), *views])
