-- The number of agents between a person and this session. 1: an agent that a person asked has asked.
ALTER TABLE sessions ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;

-- Questions to a person about calls that leave the sandbox.
CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    turn INTEGER NOT NULL REFERENCES turns (id) ON DELETE CASCADE,
    call_id TEXT NOT NULL,
    tool TEXT NOT NULL,
    -- The command or the path.
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    answered_at INTEGER,
    -- The surface: terminal, api.
    answered_by TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX approvals_by_turn ON approvals (turn);
CREATE INDEX approvals_by_session ON approvals (session, state);

-- Calls that a person approved for each session.
CREATE TABLE allowed_calls (
    tool TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (tool, subject, reason)
) STRICT, WITHOUT ROWID;
