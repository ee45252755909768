-- Work that is due, of every kind. about: what it is about, one row for each. share: kind/organization/party, whose fair part of the
-- places it takes. lane: rows of one lane run one at a time, in the order of ids; null: it waits for no other. is_head: it may run
-- once it is due; false: behind another one of its lane, or given up. state: waiting, parked (out of its lane, still tried),
-- given_up (due_at is then when it is forgotten). process: who does it; null: nobody. refusal: why the last attempt failed.
CREATE TABLE work (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    organization_id BIGINT NOT NULL,
    account_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    about BIGINT NOT NULL,
    share TEXT NOT NULL,
    lane TEXT,
    state TEXT NOT NULL,
    is_head BOOLEAN NOT NULL,
    due_at TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    process BIGINT,
    refusal TEXT,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (kind, about)
);
-- What may run next is found without a look at what waits behind it: the oldest, and share by share.
CREATE INDEX work_by_due ON work (due_at, share) WHERE is_head AND process IS NULL;
CREATE INDEX work_by_share ON work (share, due_at, id) WHERE is_head AND process IS NULL;
CREATE INDEX work_by_lane ON work (lane, id) WHERE lane IS NOT NULL;
CREATE INDEX work_by_process ON work (process) WHERE process IS NOT NULL;
CREATE INDEX work_by_state ON work (state, due_at) WHERE state <> 'waiting';

-- beat: moves while the process has work under way. works: its version shares work by the table above.
ALTER TABLE process ADD COLUMN beat BIGINT NOT NULL DEFAULT 0;
ALTER TABLE process ADD COLUMN works BOOLEAN NOT NULL DEFAULT FALSE;

-- has_work: a row of work is about it. What a version writes that knows no such rows is found by the index.
ALTER TABLE notice ADD COLUMN has_work BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX notice_without_work ON notice (id) WHERE status = 'waiting' AND NOT has_work;
ALTER TABLE revocation ADD COLUMN has_work BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX revocation_without_work ON revocation (id) WHERE NOT given_up AND NOT has_work;
