-- Times are milliseconds since 1970.

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    source TEXT NOT NULL,
    model TEXT NOT NULL,
    title TEXT UNIQUE,
    parent TEXT,
    created_at INTEGER NOT NULL,
    active_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_activity ON sessions (active_at);

-- The system prompt, frozen at the begin: a JSON list of its parts.
CREATE TABLE prompts (
    session TEXT PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    parts TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE turns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    -- The name of the owner's file. It is locked while the owner lives.
    owner TEXT NOT NULL,
    owner_description TEXT NOT NULL,
    owner_pid INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    reason TEXT,
    error TEXT
) STRICT;
CREATE INDEX turns_by_session ON turns (session);
CREATE UNIQUE INDEX one_open_turn ON turns (session) WHERE ended_at IS NULL;

CREATE TABLE messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn INTEGER REFERENCES turns (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    role TEXT NOT NULL,
    -- A JSON list.
    blocks TEXT NOT NULL,
    -- The plain text of users and assistants, for the search.
    text TEXT,
    model TEXT,
    interrupted INTEGER NOT NULL DEFAULT 0,
    -- 1 for a message that a compaction wrote: the summary, and copies of the messages that stay.
    summary INTEGER NOT NULL DEFAULT 0,
    -- NULL, or the reason why the model does not see it: compacted, undone.
    hidden TEXT
) STRICT;
-- The last column lets a list count the messages without reading them.
CREATE INDEX messages_by_session ON messages (session, id, summary);
CREATE INDEX messages_by_turn ON messages (turn);

CREATE VIRTUAL TABLE messages_fts USING fts5 (
    text, content = 'messages', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER messages_fts_insert AFTER INSERT ON messages WHEN new.text IS NOT NULL BEGIN
    INSERT INTO messages_fts (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER messages_fts_delete AFTER DELETE ON messages WHEN old.text IS NOT NULL BEGIN
    INSERT INTO messages_fts (messages_fts, rowid, text) VALUES ('delete', old.id, old.text);
END;

CREATE TABLE tool_runs (
    id INTEGER PRIMARY KEY,
    turn INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    call_id TEXT NOT NULL,
    tool TEXT NOT NULL,
    effect TEXT NOT NULL,
    state TEXT NOT NULL,
    planned_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER
) STRICT;
CREATE INDEX tool_runs_by_turn ON tool_runs (turn);

-- The tokens of each model call. An imported session has one row.
CREATE TABLE model_calls (
    id INTEGER PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn INTEGER REFERENCES turns (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    model TEXT NOT NULL,
    -- 1 for the call that wrote the summary of a compaction.
    compaction INTEGER NOT NULL DEFAULT 0,
    input INTEGER NOT NULL,
    cached INTEGER NOT NULL,
    cache_written INTEGER NOT NULL,
    output INTEGER NOT NULL,
    reasoning INTEGER NOT NULL
) STRICT;
CREATE INDEX model_calls_by_session ON model_calls (session);
CREATE INDEX model_calls_by_turn ON model_calls (turn);

-- Messages that came while a turn ran, until they become part of the conversation.
CREATE TABLE inputs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    at INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE INDEX inputs_by_session ON inputs (session, id);

-- The use of each day in UTC, as 2026-11-28.
CREATE TABLE budget_days (
    day TEXT PRIMARY KEY,
    tokens INTEGER NOT NULL,
    usd REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE reservations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    day TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    usd REAL NOT NULL,
    owner TEXT NOT NULL
) STRICT;

CREATE TABLE idempotency (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    owner TEXT NOT NULL,
    at INTEGER NOT NULL,
    -- NULL while the request runs.
    response TEXT
) STRICT, WITHOUT ROWID;

-- Databases of other programs that were imported.
CREATE TABLE imports (
    source TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
