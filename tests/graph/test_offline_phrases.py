"""Which calls the offline model makes of the ways people write."""

from typing import Any

import pytest

from tests.graph.offline_support import Call, calls_for, turn


def add(title: str, due: str | None = None, priority: str | None = None, **more: Any) -> Call:
    values = {"title": title, "due": due, "priority": priority, **more}
    return "add_tasks", {
        "tasks": [{name: value for name, value in values.items() if value is not None}]
    }


def adds(*calls: Call) -> Call:
    return "add_tasks", {"tasks": [task for _, arguments in calls for task in arguments["tasks"]]}


def show(state: str = "open", text: str | None = None, **more: Any) -> Call:
    return "find_tasks", {"state": state} | ({"text": text} if text else {}) | more


def look(task: str) -> Call:
    return "get_tasks", {"tasks": [task]}


def update(task: str, **changes: str) -> Call:
    return "update_tasks", {"tasks": [{"task": task, **changes}]}


def move(task: str, due: str) -> Call:
    return "reschedule_tasks", {"tasks": [{"task": task, "due": due}]}


def done(*tasks: str) -> Call:
    return "complete_tasks", {"tasks": list(tasks)}


def reopen(*tasks: str) -> Call:
    return "reopen_tasks", {"tasks": list(tasks)}


def delete(*tasks: str) -> Call:
    return "delete_tasks", {"tasks": list(tasks)}


UNDO: Call = ("undo_changes", {})

ADDITIONS = [
    ("add buy milk", add("buy milk")),
    ("Add Buy Milk.", add("Buy Milk")),
    ("ADD BUY MILK TOMORROW", add("BUY MILK", "TOMORROW")),
    ("add: buy milk", add("buy milk")),
    ("add - buy milk", add("buy milk")),
    ("add buy milk please", add("buy milk")),
    ("add buy milk, thanks!", add("buy milk")),
    ("Please add buy milk", add("buy milk")),
    ("hi, add buy milk", add("buy milk")),
    ("can you add buy milk?", add("buy milk")),
    ("I want to add buy milk", add("buy milk")),
    (
        "Add a task to buy milk tomorrow at 9, high priority",
        add("buy milk", "tomorrow at 9", "high"),
    ),
    ("add milk to my list", add("milk")),
    ("add milk to my list for friday", add("milk", "friday")),
    ("add for tomorrow: buy milk", add("buy milk", "tomorrow")),
    ("add task buy milk", add("buy milk")),
    ("add high priority task buy milk", add("buy milk", priority="high")),
    ("add a task called water the plants", add("water the plants")),
    ("create a task: send the invoice", add("send the invoice")),
    ("create a new todo to send the invoice by 5pm", add("send the invoice", "5pm")),
    ("new todo send the invoice", add("send the invoice")),
    ("new task: pay rent", add("pay rent")),
    ("task: pay rent", add("pay rent")),
    ("todo: pay rent", add("pay rent")),
    ("to do: pay rent", add("pay rent")),
    ("TODO pay rent", add("pay rent")),
    ("[ ] pay rent", add("pay rent")),
    ("- [ ] pay rent", add("pay rent")),
    ("remind me: pay rent", add("pay rent")),
    ("remind me to call mum on friday at 5pm", add("call mum", "friday at 5pm")),
    ("remind me tomorrow at 9 to buy milk", add("buy milk", "tomorrow at 9")),
    ("tomorrow at 9 remind me to buy milk", add("buy milk", "tomorrow at 9")),
    ("remind me in 20 minutes to check the oven", add("check the oven", "in 20 minutes")),
    ("remind me in a couple of days to call Bo", add("call Bo", "in two days")),
    ("remind me about the dentist on 3 december", add("the dentist", "3 december")),
    ("remind me of mum's birthday", add("mum's birthday")),
    ("remind me that rent is due friday", add("rent is due friday")),
    ("set a reminder for tomorrow at 8 to take the pills", add("take the pills", "tomorrow at 8")),
    ("set an urgent reminder to call bob", add("call bob", priority="urgent")),
    ("could you please remind me to call Jo?", add("call Jo")),
    ("I need to finish the report by friday", add("finish the report", "friday")),
    ("I have to pick up the kids at 4pm", add("pick up the kids", "at 4pm")),
    ("I must renew my passport before 2027-01-15", add("renew my passport", "2027-01-15")),
    ("I've got to fix the bike this weekend", add("fix the bike", "this weekend")),
    ("I need to delete the old photos", add("delete the old photos")),
    ("we have to cancel the hotel before monday", add("cancel the hotel", "monday")),
    ("don't let me forget to water the plants", add("water the plants")),
    ("don’t forget to feed the cat", add("feed the cat")),
    ("remember to lock the door", add("lock the door")),
    ("help me remember to buy stamps", add("buy stamps")),
    ("note to self: buy a new lamp", add("buy a new lamp")),
    ("write down buy stamps", add("buy stamps")),
    ("jot down that I need to buy stamps", add("buy stamps")),
    ("make sure I call the bank tomorrow", add("call the bank", "tomorrow")),
    ("schedule a dentist appointment for monday at 10", add("dentist appointment", "monday at 10")),
    ("put buy bread on my list", add("buy bread")),
    ("put buy bread on my todo list for tomorrow", add("buy bread", "tomorrow")),
    ("urgent: call the bank", add("call the bank", priority="urgent")),
    ("URGENT: fix the roof tomorrow", add("fix the roof", "tomorrow", "urgent")),
    ("low priority: clean the attic", add("clean the attic", priority="low")),
    ("add fix the roof (high priority)", add("fix the roof", priority="high")),
    ("add fix the roof. It's urgent.", add("fix the roof", priority="urgent")),
    ("add fix the roof, it's urgent", add("fix the roof", priority="urgent")),
    ("add fix the roof. It's due friday.", add("fix the roof", "friday")),
    ("add fix the roof - due friday", add("fix the roof", "friday")),
    ("add clean the attic, not urgent", add("clean the attic", priority="low")),
    ("add tidy up, low priority, next weekend", add("tidy up", "next weekend", "low")),
    ("add tidy up next weekend low priority", add("tidy up", "next weekend", "low")),
    ("add pay taxes (due 31 March)", add("pay taxes", "31 March")),
    (
        "add go to the bank tomorrow note: bring the papers",
        add("go to the bank", "tomorrow", notes="bring the papers"),
    ),
    (
        "add call Anna. Note: her number is 555, delete 3, ask for Bob",
        add("call Anna", notes="her number is 555, delete 3, ask for Bob"),
    ),
    ('add call Anna with the note "bring flowers"', add("call Anna", notes="bring flowers")),
    ("add call mum every monday", add("call mum", repeats="every monday")),
    ("add water the plants every 3 days", add("water the plants", repeats="every 3 days")),
    ("add standup every weekday at 9:30", add("standup", repeats="every weekday at 9:30")),
    ("add pay rent every month on the 3rd", add("pay rent", repeats="every month on the 3rd")),
    ("add backup daily, high priority", add("backup", priority="high", repeats="daily")),
    ("remind me to stretch every morning", add("stretch", repeats="every morning")),
    ("I have to run every mon and thu", add("run", repeats="every mon and thu")),
    ("add buy milk #home", add("buy milk", labels=["home"])),
    (
        "add buy milk tomorrow #home #shop, urgent",
        add("buy milk", "tomorrow", "urgent", labels=["home", "shop"]),
    ),
    ("add 牛奶", add("牛奶")),
    ("add שתיית מים", add("שתיית מים")),
    ("\u200fadd שתיית מים\u200f", add("שתיית מים")),
    ("add 🎂 for Bo", add("🎂 for Bo")),
]
KEPT_TITLES = [
    "buy 2 apples",
    "ask May",
    "finish may report",
    "sun cream",
    "dance in the sun",
    "march with the band",
    "march 3 miles",
    "visit april",
    "second hand shop",
    "read 'The Day After Tomorrow'",
    "watch The Day After Tomorrow",
    "prepare Black Friday",
    "plan next week",
    "plan next week's menu",
    "send friday report",
    "think about every monday",
    "read the daily",
    "lose every game",
    "order part #3",
    "think about tomorrow",
    "work from monday to friday",
    "work monday - friday",
    "John 3:16",
    "run the tests on 3.12",
    "upgrade to 3.12",
    "read 3/4",
    "watch ocean's 11",
    "order for Tomorrow Land",
    "friday",
    "in 2 days",
    "buy milk (2 liters)",
    "find out what is urgent",
    "milk and bread",
    "walk the dog and feed the cat",
    "mum's cake and dad's gift",
    "rock 'n' roll concert tickets",
    "call Dr. Smith",
    "delete everything",
    "read the news, then complete the form",
]
LISTS = [
    ("What's on my list?", show()),
    ("whats on my list", show()),
    ("what’s on my todo list", show()),
    ("what do I have to do", show()),
    ("what do I need to do?", show()),
    ("what should I do?", show()),
    ("what's left?", show()),
    ("what's next?", show()),
    ("what's still open?", show()),
    ("anything left?", show()),
    ("any tasks left?", show()),
    ("is there anything left to do?", show()),
    ("do I have anything to do?", show()),
    ("how many tasks do I have?", show()),
    ("which tasks are open?", show()),
    ("show my tasks", show()),
    ("show me my open tasks", show()),
    ("can you show me my list?", show()),
    ("tell me what's on my list", show()),
    ("remind me what's on my list", show()),
    ("I want to see my tasks", show()),
    ("list", show()),
    ("my list", show()),
    ("todos", show()),
    ("what do I have to do today?", show(due="today")),
    ("what's due this week?", show(due="this week")),
    ("what's due by friday?", show(due="by friday")),
    ("what's due tomorrow at 9?", show(due="tomorrow")),
    ("what do I have in the next 7 days?", show(due="next 7 days")),
    ("what do I have tonight?", show(due="today")),
    ("show my high priority tasks", show(priority="high")),
    ("what's urgent?", show(priority="urgent")),
    ("show my urgent tasks due today", show(priority="urgent", due="today")),
    ("what's overdue?", show(due="overdue")),
    ("show overdue tasks", show(due="overdue")),
    ("show my #home tasks", show(labels=["home"])),
    ("what's tagged #home and #shop?", show(labels=["home", "shop"])),
    ("list tasks with label #home", show(labels=["home"])),
    ("show completed tasks labelled #home", show("completed", labels=["home"])),
    ("what's done", show("completed")),
    ("what did I finish", show("completed")),
    ("what have I done?", show("completed")),
    ("what did I complete yesterday?", show("completed")),
    ("show completed tasks", show("completed")),
    ("which tasks are done?", show("completed")),
    ("list everything", show("all")),
    ("show all my tasks", show("all")),
    ("show me task 3", look("3")),
    ("show #3", look("3")),
    ("do I have anything about the dentist?", show(text="dentist")),
    ("have I got anything for the party?", show(text="party")),
    ("what do I have about taxes?", show(text="taxes")),
    ("is milk on my list?", show(text="milk")),
    ("find milk", show(text="milk")),
    ("search for the dentist", show(text="dentist")),
    ("show tasks about the report", show(text="report")),
    ("show completed tasks about the report", show("completed", "report")),
    ("show me the dentist task", show(text="dentist")),
    ('find "the milk"', show(text="the milk")),
    ("is the milk done?", show("all", "milk")),
    ("did I finish the report?", show("all", "report")),
]
ENDINGS = [
    ("reopen 3", [reopen("3")]),
    ("reopen the milk", [reopen("milk")]),
    ("reopen 1 and 2", [reopen("1", "2")]),
    ("uncheck the milk", [reopen("milk")]),
    ("mark 3 as not done", [reopen("3")]),
    ("mark 3 undone", [reopen("3")]),
    ("undo", [UNDO]),
    ("Undo that, please.", [UNDO]),
    ("undo the last change", [UNDO]),
    ("undo the undo", [UNDO]),
    ("take that back", [UNDO]),
    ("bring it back", [UNDO]),
    ("Done with the milk", [done("milk")]),
    ("I’m done with the report", [done("report")]),
    ("finished 3", [done("3")]),
    ("I finished the report", [done("report")]),
    ("I have completed task 4", [done("4")]),
    ("I did the laundry", [done("laundry")]),
    ("I've done the dishes today", [done("dishes")]),
    ("done 4", [done("4")]),
    ("4 done", [done("4")]),
    ("#4 is done", [done("4")]),
    ("number four is done", [done("4")]),
    ("the milk is done", [done("milk")]),
    ("done: milk", [done("milk")]),
    ("check off 3", [done("3")]),
    ("check the milk off", [done("milk")]),
    ("cross the milk off my list", [done("milk")]),
    ("tick 2 off", [done("2")]),
    ("mark buy milk as done", [done("buy milk")]),
    ("mark task 2 done", [done("2")]),
    ("complete #2", [done("2")]),
    ("complete the dentist one", [done("dentist")]),
    ("close task 2", [done("2")]),
    ("finish 3", [done("3")]),
    ("[x] milk", [done("milk")]),
    ("✅ milk", [done("milk")]),
    ("complete 1, 2 and 3", [done("1", "2", "3")]),
    ("complete 1-3", [done("1", "2", "3")]),
    ("done with 4 and 5", [done("4", "5")]),
    ("mark 3, 4 done", [done("3", "4")]),
    ("done with the milk and the bread", [done("milk", "bread")]),
    ("delete the dentist one", [delete("dentist")]),
    ("delete my dentist task", [delete("dentist")]),
    ("delete the task about the dentist", [delete("dentist")]),
    ("delete the milk", [delete("milk")]),
    ("delete buy milk from my list", [delete("buy milk")]),
    ('delete "buy milk" and "bread"', [delete("buy milk", "bread")]),
    ("delete the milk and bread", [delete("milk and bread")]),
    ("remove 3", [delete("3")]),
    ("delete task number 3", [delete("3")]),
    ("delete 1 2 3", [delete("1", "2", "3")]),
    ("delete 2 and 2", [delete("2")]),
    ("please delete 3", [delete("3")]),
    ("can you delete 3?", [delete("3")]),
    ("I'd like you to delete 3", [delete("3")]),
    ("take the milk off my list", [delete("milk")]),
    ("get rid of the milk", [delete("milk")]),
    ("forget about the milk", [delete("milk")]),
    ("forget the dentist one", [delete("dentist")]),
    ("cancel task 2", [delete("2")]),
    ("drop 3", [delete("3")]),
    ("scrap the report task", [delete("report")]),
]
CHANGES = [
    ("move 3 to friday", move("3", "friday")),
    ("move the dentist to next friday at 10", move("dentist", "next friday at 10")),
    ("move the trip to paris to friday", move("trip to paris", "friday")),
    ("move 3 to 24.12.", move("3", "24.12.")),
    ("move 3 to st patrick's day", move("3", "st patrick's day")),
    ("push the dentist back to monday at 9", move("dentist", "monday at 9")),
    ("push 3 back to friday", move("3", "friday")),
    ("postpone the dentist to monday", move("dentist", "monday")),
    ("reschedule the dentist to next tuesday at 10", move("dentist", "next tuesday at 10")),
    ("reschedule 2 for friday 14:30", move("2", "friday 14:30")),
    ("snooze the milk until tomorrow morning", move("milk", "tomorrow morning")),
    ("put off the dentist until next week", move("dentist", "next week")),
    ("bring 3 forward to monday", move("3", "monday")),
    ("set the due date of milk to tomorrow", move("milk", "tomorrow")),
    ("change the deadline of the report to december 3", move("report", "december 3")),
    ("set 3 due tomorrow", move("3", "tomorrow")),
    ("make the report due friday", move("report", "friday")),
    ("schedule 3 for friday", move("3", "friday")),
    ("3 is due in 2 weeks", move("3", "in 2 weeks")),
    ("give 3 a due date of friday", move("3", "friday")),
    ("add a deadline of friday to 3", move("3", "friday")),
    ("2 has no due date", move("2", "none")),
    ("2 doesn't have a deadline", move("2", "none")),
    ("remove the due date of 2", move("2", "none")),
    ("remove 2's due date", move("2", "none")),
    ("take the due date off 2", move("2", "none")),
    ("rename 2 to buy oat milk", update("2", title="buy oat milk")),
    ("rename 2 to go to the shop", update("2", title="go to the shop")),
    ("rename the milk to buy oat milk", update("milk", title="buy oat milk")),
    ('rename "buy milk" to "delete 3"', update("buy milk", title="delete 3")),
    ("change the title of 2 to go shopping", update("2", title="go shopping")),
    ("change 2's title to go shopping", update("2", title="go shopping")),
    ("change 2 to go shopping", update("2", title="go shopping")),
    ("change 2 to friday", move("2", "friday")),
    ("edit 2: go shopping", update("2", title="go shopping")),
    ("make the report high priority", update("report", priority="high")),
    ("make 3 urgent", update("3", priority="urgent")),
    ("set 3 to low", update("3", priority="low")),
    ("set the priority of 3 to normal", update("3", priority="normal")),
    ("change 3's priority to low", update("3", priority="low")),
    ("lower the priority of the milk", update("milk", priority="low")),
    ("prioritise the report", update("report", priority="high")),
    ("mark the report as important", update("report", priority="high")),
    ("the report is urgent.", update("report", priority="urgent")),
    ("3 is not urgent", update("3", priority="low")),
    ("remove the high priority from 3", update("3", priority="normal")),
    ("change the notes of 3 to bring cash", update("3", notes="bring cash")),
    ("remove the notes of 3", update("3", notes="none")),
]
SEVERAL = [
    ("add milk and add bread", [adds(add("milk"), add("bread"))]),
    ("add milk\nadd bread", [adds(add("milk"), add("bread"))]),
    ("add milk, then what's on my list?", [add("milk"), show()]),
    ("add eggs. What's on my list?", [add("eggs"), show()]),
    ("hello, what's on my list?", [show()]),
    ("what's on my list? Also add eggs", [show(), add("eggs")]),
    ("add these tasks:\n- milk\n- delete 3", [adds(add("milk"), add("delete 3"))]),
    ("Add:\n1. milk\n2. eggs\n\nthen delete 3", [adds(add("milk"), add("eggs")), delete("3")]),
    ("- add milk\n- delete 3", [add("milk"), delete("3")]),
    ("add buy milk and delete the dentist one", [add("buy milk"), delete("dentist")]),
    ("add buy milk; complete 3; delete 4", [add("buy milk"), done("3"), delete("4")]),
    ("delete the milk and add bread", [delete("milk"), add("bread")]),
    ("delete the milk. Thanks!", [delete("milk")]),
    ("complete 3 and delete 4", [done("3"), delete("4")]),
    (
        "move 3 to friday, rename 4 to walk the dog and feed the cat",
        [move("3", "friday"), update("4", title="walk the dog and feed the cat")],
    ),
    (
        "remind me to clean the house and delete the old photos",
        [add("clean the house and delete the old photos")],
    ),
    ('add read "War and delete 3" tomorrow', [add('read "War and delete 3"', "tomorrow")]),
    ('add "buy milk tomorrow" tomorrow', [add("buy milk tomorrow", "tomorrow")]),
    ("Add “what's on my list?”", [add("what's on my list?")]),
    ("add milk\nfoo bar", [add("milk")]),
]
# None of these is surely a command, though each looks like one.
NOT_ACTED_ON = [
    "should I delete the dentist one?",
    "should I remove 3",
    "don't delete the milk",
    "do not delete 3",
    "never delete 3",
    "I don't want to delete the milk",
    "what happens if I remove 3?",
    "what happens if I remove 3",
    "if I delete 3 what happens",
    "how do I delete a task?",
    "can I delete 3?",
    "did you delete 3?",
    "would you delete 3?",
    "maybe delete 3",
    "delete 3 or 4",
    "delete 3 if it is done",
    "delete 3, but not yet",
    "delete the milk, no wait, the bread",
    "delete 3. No wait, don't",
    "delete 3. Never mind.",
    "delete 3. Hmm, what was that one?",
    "delete nothing",
    "delete everything",
    "delete all my tasks",
    "delete all completed tasks",
    "delete everything except 3",
    "cancel everything",
    "clear my list",
    "complete everything",
    "mark all as done",
    "everything is done",
    "delete the first one",
    "delete the last task",
    "delete 2 tasks",
    "delete the two tasks",
    "complete 2 items",
    "is it safe? delete 3",
    "the command is\ndelete 3",
    "rm -rf /",
    "drop table tasks",
    "delete it",
    "delete",
    "delete 1-400",
    "he said 'delete 3'",
    '"delete 3"',
    "cancel my gym membership",
    "drop the kids at school",
    "forget the milk",
    "I bought the milk",
    "I haven't finished the report",
    "I am not done with the milk",
    "3 is not done",
    "the milk isn't done yet",
    "nothing is done",
    "the report is almost done",
    "finish the report",
    "complete the form by friday",
    "add a note to 3",
    "undo 3",
    "restore the milk",
    "bring the milk back",
    "that was a mistake",
    "redo",
    "move 3",
    "move 3 to 3",
    "move to berlin",
    "move house by friday",
    "postpone 2 by 3 days",
    "postpone the trip to paris",
    "make dinner on friday",
    "put the meeting on friday",
    "set the table",
    "rename go to the bank to go to the shop",
    "make it high priority",
    "buy milk tomorrow",
    "I have to go",
    "I must say",
    "I need to buy milk?",
    "add",
    "remind me",
    "hello",
    "thanks",
    "help",
    "what can you do?",
    "no",
    "",
    "   \n\t ",
    "?",
    "3",
    "#home",
    "🎉",
    "lorem ipsum dolor",
    "أضف مهمة",
]


@pytest.mark.parametrize(("text", "call"), ADDITIONS)
def test_words_that_add_a_task_become_its_title_and_details(text: str, call: Call) -> None:
    assert calls_for(text) == [call]


@pytest.mark.parametrize("title", KEPT_TITLES)
def test_a_title_keeps_its_words(title: str) -> None:
    assert calls_for(f"add {title}") == [add(title)]


@pytest.mark.parametrize(("text", "call"), LISTS)
def test_words_that_ask_for_the_list_show_it(text: str, call: Call) -> None:
    assert calls_for(text) == [call]


@pytest.mark.parametrize(("text", "calls"), ENDINGS)
def test_words_that_end_tasks_complete_or_delete_them(text: str, calls: list[Call]) -> None:
    assert calls_for(text) == calls


@pytest.mark.parametrize(("text", "call"), CHANGES)
def test_words_that_change_a_task_say_what_changes(text: str, call: Call) -> None:
    assert calls_for(text) == [call]


@pytest.mark.parametrize(("text", "calls"), SEVERAL)
def test_a_message_may_hold_several_commands(text: str, calls: list[Call]) -> None:
    assert calls_for(text) == calls


@pytest.mark.parametrize("text", NOT_ACTED_ON)
def test_no_tool_is_called_on_words_that_are_not_surely_a_command(text: str) -> None:
    rounds, answer = turn([], text)
    assert rounds == []
    assert answer
