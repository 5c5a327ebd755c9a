"""The three tables of the transcript tree as numbered SQL statements, for apps without Alembic.

`models.py` describes the tables; these statements make them, and bring a database that an earlier
version made up to them. What was released is not changed any more: what comes later is a number of
its own. `pending.py` tells which are to be run, and `setup.py` runs them.
"""

#: The names of the tables, each after those that it refers to.
TABLES = ("users", "conversations", "messages")

#: Number 1, number 2, and so on.
STATEMENTS: tuple[tuple[str, ...], ...] = (
    # 1: users, conversations, messages.
    (
        """
        CREATE TABLE users (
            id uuid PRIMARY KEY,
            subject text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT uq_users_subject UNIQUE (subject)
        )
        """,
        """
        CREATE TABLE conversations (
            id uuid PRIMARY KEY,
            user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
            thread_id text NOT NULL,
            title varchar(200),
            leaf_id uuid,
            leaf_checkpoint_id text,
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT uq_conversations_thread_id UNIQUE (thread_id)
        )
        """,
        "CREATE INDEX ix_conversations_user_id ON conversations (user_id)",
        "CREATE INDEX ix_conversations_updated_at ON conversations (updated_at)",
        "CREATE INDEX ix_conversations_leaf_id ON conversations (leaf_id)",
        """
        CREATE TABLE messages (
            id uuid PRIMARY KEY,
            conversation_id uuid NOT NULL REFERENCES conversations ON DELETE CASCADE,
            parent_id uuid REFERENCES messages,
            digest bytea NOT NULL,
            role varchar(20) NOT NULL,
            content text NOT NULL,
            tool_calls jsonb,
            payload bytea NOT NULL,
            payload_type varchar(50) NOT NULL DEFAULT 'msgpack',
            created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
            CONSTRAINT uq_messages_conversation_digest UNIQUE (conversation_id, digest)
        )
        """,
        "CREATE INDEX ix_messages_conversation_id ON messages (conversation_id)",
        "CREATE INDEX idx_messages_conversation_created ON messages (conversation_id, created_at)",
        "CREATE INDEX ix_messages_parent_id ON messages (parent_id)",
        """
        ALTER TABLE conversations ADD CONSTRAINT fk_conversations_leaf_id
            FOREIGN KEY (leaf_id) REFERENCES messages
        """,
    ),
    # 2: leaves and parents of the same conversation by key; owners and redactions of messages.
    (
        """
        ALTER TABLE messages ADD COLUMN user_id uuid, ADD COLUMN redacted_at timestamptz,
            ADD COLUMN redaction bytea
        """,
        "ALTER TABLE conversations ADD COLUMN redacted_at timestamptz",
        """
        UPDATE messages SET user_id = c.user_id FROM conversations c
        WHERE c.id = messages.conversation_id
        """,
        # Else a deferred check of the rows just written would be in the way of what follows.
        "SET CONSTRAINTS ALL IMMEDIATE",
        """
        ALTER TABLE messages ALTER COLUMN user_id SET NOT NULL,
            DROP CONSTRAINT messages_parent_id_fkey
        """,
        "ALTER TABLE conversations DROP CONSTRAINT fk_conversations_leaf_id",
        "DROP INDEX ix_conversations_leaf_id, ix_conversations_user_id",
        "DROP INDEX ix_messages_conversation_id",
        """
        ALTER TABLE messages
            ADD CONSTRAINT ix_messages_conversation_id UNIQUE (conversation_id, id)
        """,
        """
        ALTER TABLE messages ADD CONSTRAINT fk_messages_parent
            FOREIGN KEY (conversation_id, parent_id) REFERENCES messages (conversation_id, id)
        """,
        """
        ALTER TABLE conversations ADD CONSTRAINT fk_conversations_leaf
            FOREIGN KEY (id, leaf_id) REFERENCES messages (conversation_id, id)
        """,
        "CREATE INDEX ix_conversations_user_id ON conversations (user_id, updated_at, id)",
    ),
    # 3: an index of words, and one for walking from the newest message to older ones.
    (
        """
        CREATE INDEX IF NOT EXISTS ix_messages_user_id ON messages (user_id, created_at, id)
            WHERE role = ANY (ARRAY['user', 'assistant']) AND content <> ''
        """,
        """
        CREATE INDEX IF NOT EXISTS ix_messages_search ON messages USING gin (
            (to_tsvector('simple', left(content, 100000))
             || array_to_tsvector(ARRAY[' ' || COALESCE(right(user_id::text, 12), ''),
                ((' ' || COALESCE(right(user_id::text, 12), '')) || ' ')
                || floor(EXTRACT(epoch FROM (created_at AT TIME ZONE 'UTC')) / 604800)::text]))
        ) WHERE role = ANY (ARRAY['user', 'assistant']) AND content <> ''
        """,
    ),
    # 4: the index of words keeps the words of each four weeks apart.
    (
        """
        CREATE INDEX IF NOT EXISTS ix_messages_words ON messages USING gin ((
            (replace(' ' || regexp_replace(
                strip(to_tsvector('simple', left(content, 100000)))::text,
                '''[^ ]{250}[^ ]{251,}', '', 'g'), ' ''', ' '''
                || chr(40 + mod(get_byte(uuid_send(user_id), 15), 4) * 13 + mod(abs(
                    floor(EXTRACT(epoch FROM (created_at AT TIME ZONE 'UTC')) / 2419200)::integer
                ), 13)))
             || ' '' ' || right(user_id::text, 10) || (
                floor(EXTRACT(epoch FROM (created_at AT TIME ZONE 'UTC')) / 2419200)::integer
             )::text || '''')::tsvector
        )) WHERE role = ANY (ARRAY['user', 'assistant']) AND content <> ''
        """,
        "DROP INDEX IF EXISTS ix_messages_search",
    ),
)

#: What is true when a number's work is done, one condition a number: another program's migrations
#: may have done it to tables that `setup()` had made, and those note no number here.
DONE: tuple[str, ...] = (
    "to_regclass('messages') IS NOT NULL",
    """EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('messages') AND attname = 'user_id' AND attnotnull
    )""",
    """EXISTS (
        SELECT FROM pg_index WHERE indexrelid = to_regclass('ix_messages_user_id') AND indisvalid
    )""",
    """to_regclass('ix_messages_search') IS NULL AND EXISTS (
        SELECT FROM pg_index WHERE indexrelid = to_regclass('ix_messages_words') AND indisvalid
    )""",
)

#: What the last number leaves, in the words of Postgres's catalogues, one part a line. The saver
#: does without the indexes of the search, so tables that lack them are not wrong.
PARTS: dict[str, tuple[str, ...]] = {
    "users": (
        "id uuid NOT NULL",
        "subject text NOT NULL",
        "created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL",
        "PRIMARY KEY (id)",
        "UNIQUE (subject)",
    ),
    "conversations": (
        "id uuid NOT NULL",
        "user_id uuid NOT NULL",
        "thread_id text NOT NULL",
        "title character varying(200)",
        "leaf_id uuid",
        "leaf_checkpoint_id text",
        "created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL",
        "updated_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL",
        "redacted_at timestamp with time zone",
        "PRIMARY KEY (id)",
        "UNIQUE (thread_id)",
        "FOREIGN KEY (user_id) REFERENCES users(id) ON DELETE CASCADE",
        "FOREIGN KEY (id, leaf_id) REFERENCES messages(conversation_id, id)",
        "INDEX btree (user_id, updated_at, id)",
        "INDEX btree (updated_at)",
    ),
    "messages": (
        "id uuid NOT NULL",
        "conversation_id uuid NOT NULL",
        "parent_id uuid",
        "digest bytea NOT NULL",
        "role character varying(20) NOT NULL",
        "content text NOT NULL",
        "tool_calls jsonb",
        "payload bytea NOT NULL",
        "payload_type character varying(50) DEFAULT 'msgpack'::character varying NOT NULL",
        "created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL",
        "user_id uuid NOT NULL",
        "redacted_at timestamp with time zone",
        "redaction bytea",
        "PRIMARY KEY (id)",
        "UNIQUE (conversation_id, digest)",
        "FOREIGN KEY (conversation_id) REFERENCES conversations(id) ON DELETE CASCADE",
        "UNIQUE (conversation_id, id)",
        "FOREIGN KEY (conversation_id, parent_id) REFERENCES messages(conversation_id, id)",
        "INDEX btree (conversation_id, created_at)",
        "INDEX btree (parent_id)",
    ),
}
