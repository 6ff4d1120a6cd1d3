"""The private database's layout, as the steps that lead to it.

Step n turns version n - 1 into version n. A step that was once released never
changes; a new layout is a new step at the end. `user_version` in the file
holds the version.

Source: this project's own design, docs/architecture.md "One home".
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    # 1: people, follows, servers, the outgoing queue.
    """
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT;

    -- The people of this home. Keys are 32 bytes, secrets are mocryptsec0 texts.
    CREATE TABLE person (
        number INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        master_key BLOB NOT NULL UNIQUE,
        master_secret TEXT NOT NULL,
        device_key BLOB NOT NULL UNIQUE,
        device_secret TEXT NOT NULL,
        bootstrap TEXT NOT NULL,
        bootstrap_seq INTEGER NOT NULL,
        made_ns INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE follow (
        person INTEGER NOT NULL REFERENCES person (number) ON DELETE CASCADE,
        key BLOB NOT NULL,
        since_ns INTEGER NOT NULL,
        PRIMARY KEY (person, key)
    ) STRICT, WITHOUT ROWID;

    -- Which servers somebody uses, as far as this home was told. `place` is the order of preference.
    CREATE TABLE server_of (
        key BLOB NOT NULL,
        server_key BLOB NOT NULL,
        usage INTEGER NOT NULL,
        place INTEGER NOT NULL,
        learned_ns INTEGER NOT NULL,
        PRIMARY KEY (key, server_key)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE server_url (
        server_key BLOB NOT NULL,
        url TEXT NOT NULL,
        place INTEGER NOT NULL,
        PRIMARY KEY (server_key, url)
    ) STRICT, WITHOUT ROWID;

    -- Up to when everything that a server has of an author was read from it.
    CREATE TABLE heard (
        server_key BLOB NOT NULL,
        author BLOB NOT NULL,
        until_ns INTEGER NOT NULL,
        PRIMARY KEY (server_key, author)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE delivery (
        number INTEGER PRIMARY KEY,
        record_id BLOB NOT NULL,
        record BLOB NOT NULL,
        sender BLOB NOT NULL,
        server_key BLOB NOT NULL,
        url TEXT NOT NULL,
        state TEXT NOT NULL,
        result INTEGER,
        attempts INTEGER NOT NULL DEFAULT 0,
        next_try_ns INTEGER NOT NULL,
        queued_ns INTEGER NOT NULL,
        note TEXT NOT NULL DEFAULT '',
        UNIQUE (record_id, server_key)
    ) STRICT;
    CREATE INDEX delivery_due ON delivery (next_try_ns) WHERE state = 'queued';
    """,
    # 2: what the DHT told, what became of dialling, records for people whose servers are not known yet.
    """
    -- The item with the greatest sequence number ever seen of a key and salt (mub25: user, msb24: server).
    CREATE TABLE dht_item (
        key BLOB NOT NULL,
        salt BLOB NOT NULL,
        seq INTEGER NOT NULL,
        value BLOB NOT NULL,
        signature BLOB NOT NULL,
        checked_ns INTEGER NOT NULL,
        PRIMARY KEY (key, salt)
    ) STRICT, WITHOUT ROWID;

    -- What was last published from this home, and under which number it was read back.
    CREATE TABLE dht_wish (
        key BLOB NOT NULL,
        salt BLOB NOT NULL,
        value BLOB NOT NULL,
        seq INTEGER NOT NULL,
        PRIMARY KEY (key, salt)
    ) STRICT, WITHOUT ROWID;

    -- `form`: how keys were proven there last; empty while it never worked.
    CREATE TABLE dialled (
        server_key BLOB NOT NULL,
        url TEXT NOT NULL,
        form TEXT NOT NULL,
        worked_ns INTEGER NOT NULL,
        failed_ns INTEGER NOT NULL,
        PRIMARY KEY (server_key, url)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE unaddressed (
        record_id BLOB NOT NULL,
        person BLOB NOT NULL,
        record BLOB NOT NULL,
        sender BLOB NOT NULL,
        queued_ns INTEGER NOT NULL,
        PRIMARY KEY (record_id, person)
    ) STRICT, WITHOUT ROWID;
    """,
    # 3: what a server for others keeps: whom it serves, bans, what was erased, mirrors, counters.
    """
    CREATE TABLE served (
        key BLOB PRIMARY KEY,
        note TEXT NOT NULL,
        since_ns INTEGER NOT NULL,
        until_ns INTEGER,
        by TEXT NOT NULL,
        blob_bytes INTEGER
    ) STRICT, WITHOUT ROWID;

    -- `hash`: BLAKE3-256 of the code; the code itself is told once and not kept.
    CREATE TABLE invitation (
        hash BLOB PRIMARY KEY,
        note TEXT NOT NULL,
        uses INTEGER NOT NULL,
        made_ns INTEGER NOT NULL,
        until_ns INTEGER
    ) STRICT, WITHOUT ROWID;

    -- `what`: ip or key. `value`: an address of 4 or 16 bytes, or a key of 32.
    CREATE TABLE ban (
        number INTEGER PRIMARY KEY,
        what TEXT NOT NULL,
        value BLOB NOT NULL,
        prefix INTEGER NOT NULL,
        reason TEXT NOT NULL,
        made_ns INTEGER NOT NULL,
        until_ns INTEGER,
        source TEXT NOT NULL,
        UNIQUE (what, value, prefix)
    ) STRICT;

    -- Nothing of this key with a timestamp up to `until_ns` is taken again.
    CREATE TABLE erased (
        key BLOB PRIMARY KEY,
        until_ns INTEGER NOT NULL,
        by TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE mirror (
        url TEXT NOT NULL,
        filter BLOB NOT NULL,
        way TEXT NOT NULL,
        received_ns INTEGER NOT NULL DEFAULT 0,
        done_ns INTEGER NOT NULL DEFAULT 0,
        note TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (url, filter, way)
    ) STRICT, WITHOUT ROWID;

    -- Where an import or export that was broken off goes on.
    CREATE TABLE exchange (
        name TEXT PRIMARY KEY,
        place TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- Numbers for the operator that go on over restarts.
    CREATE TABLE counter (
        name TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    # 4: keys of people beside master and device; where the master lies; personas that are followed.
    """
    ALTER TABLE person ADD COLUMN master_place TEXT NOT NULL DEFAULT 'home';

    -- `use`: device, persona, encryption, nostr. `secret` is mocryptsec0, NULL where it is not here.
    CREATE TABLE person_key (
        person INTEGER NOT NULL REFERENCES person (number) ON DELETE CASCADE,
        key BLOB NOT NULL,
        use TEXT NOT NULL,
        label TEXT NOT NULL,
        secret TEXT,
        made_ns INTEGER NOT NULL,
        PRIMARY KEY (person, key)
    ) STRICT, WITHOUT ROWID;

    -- The newest key schedule that was made or seen in this home.
    CREATE TABLE person_schedule (
        person INTEGER PRIMARY KEY REFERENCES person (number) ON DELETE CASCADE,
        record BLOB NOT NULL
    ) STRICT;

    -- Of whom is followed, the personas that are read; everything of whom none stands here.
    CREATE TABLE follow_persona (
        person INTEGER NOT NULL REFERENCES person (number) ON DELETE CASCADE,
        key BLOB NOT NULL,
        persona BLOB NOT NULL,
        PRIMARY KEY (person, key, persona)
    ) STRICT, WITHOUT ROWID;
    """,
    # 5: where somebody may be found, as invite links say.
    """
    CREATE TABLE hint (
        key BLOB NOT NULL,
        server_key BLOB NOT NULL,
        urls TEXT NOT NULL,
        learned_ns INTEGER NOT NULL,
        PRIMARY KEY (key, server_key)
    ) STRICT, WITHOUT ROWID;

    CREATE INDEX hint_server ON hint (server_key);
    CREATE INDEX hint_learned ON hint (learned_ns);
    """,
    # 6: what was let go. Some homes of layouts 4 and 5 have this table already, and no `counter`.
    """
    DROP TABLE IF EXISTS counter;

    -- The timestamp up to which a rule of retention by size has let records go; `rule` is what it says.
    CREATE TABLE IF NOT EXISTS horizon (
        rule TEXT PRIMARY KEY,
        until_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    # 7: what is remembered of servers, and what people were told about theirs.
    """
    -- `repute`: JSON of the counts, which decay; `noted_ns`: when something was last seen of the server.
    CREATE TABLE reputation (
        server_key BLOB PRIMARY KEY,
        noted_ns INTEGER NOT NULL,
        repute TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX reputation_noted ON reputation (noted_ns);

    -- `what`: failing, refuses, withholds, hidden, clock. Goes when the server is well again.
    CREATE TABLE alarm (
        person BLOB NOT NULL,
        server_key BLOB NOT NULL,
        what TEXT NOT NULL,
        since_ns INTEGER NOT NULL,
        note TEXT NOT NULL,
        PRIMARY KEY (person, server_key, what)
    ) STRICT, WITHOUT ROWID;
    """,
    # 8: changes of a person's servers that are under way.
    """
    -- `old` and `new`: keys of servers; one of them may be NULL. `uses`: bits of a user bootstrap.
    CREATE TABLE move (
        number INTEGER PRIMARY KEY,
        person BLOB NOT NULL,
        old BLOB,
        new BLOB,
        uses INTEGER NOT NULL,
        step TEXT NOT NULL,
        begun_ns INTEGER NOT NULL,
        until_ns INTEGER NOT NULL DEFAULT 0,
        reached INTEGER NOT NULL DEFAULT 0,
        fetched INTEGER NOT NULL DEFAULT 0,
        handed INTEGER NOT NULL DEFAULT 0,
        lacking INTEGER NOT NULL DEFAULT 0,
        note TEXT NOT NULL DEFAULT ''
    ) STRICT;
    """,
    # 9: how far old posts of followed people were fetched, and when outboxes were compared last.
    """
    -- `before_ns`: everything newer is here, 0 = nothing was asked for yet; `done`: everything older, too.
    CREATE TABLE history (
        author BLOB PRIMARY KEY,
        before_ns INTEGER NOT NULL,
        records INTEGER NOT NULL,
        done INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- Whoever was read before had all of it asked for at once.
    INSERT INTO history SELECT DISTINCT author, 0, 0, 1 FROM heard;

    -- When what a server has of somebody was compared with what is here.
    CREATE TABLE compared (
        server_key BLOB NOT NULL,
        author BLOB NOT NULL,
        at_ns INTEGER NOT NULL,
        PRIMARY KEY (server_key, author)
    ) STRICT, WITHOUT ROWID;
    """,
    # 10: what was chosen to be kept.
    """
    -- `what`: a person (32 bytes), or the id or address of records (48 bytes).
    CREATE TABLE kept (
        what BLOB PRIMARY KEY,
        since_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    # 11: which version of each entry of the list of those who are followed this home knows.
    """
    -- `id`: of the record that was taken over or published, 48 bytes; `content`: empty = taken back.
    CREATE TABLE follow_known (
        person INTEGER NOT NULL REFERENCES person (number) ON DELETE CASCADE,
        key BLOB NOT NULL,
        id BLOB NOT NULL,
        content BLOB NOT NULL,
        PRIMARY KEY (person, key)
    ) STRICT, WITHOUT ROWID;
    """,
    # 12: what is told of deliveries that have not arrived.
    """
    CREATE INDEX delivery_open ON delivery (server_key, state) WHERE state != 'delivered';
    """,
    # 13: what other devices of people here have deleted.
    """
    -- `id`: the record's, 48 bytes; `deletion`: that of what deleted it. Both go after a while.
    CREATE TABLE put_aside (
        id BLOB PRIMARY KEY,
        deletion BLOB NOT NULL,
        person BLOB NOT NULL,
        received_ns INTEGER NOT NULL,
        at_ns INTEGER NOT NULL,
        record BLOB NOT NULL
    ) STRICT;
    CREATE INDEX put_aside_at ON put_aside (at_ns);
    """,
)
