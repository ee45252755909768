-- Which database this is, wherever its copies are.
-- place: where it was served last, as JSON; null before that, and for a copy that may be served.
-- restored_at: its refresh tokens may have been used since, and nobody has said yet that they may be used; null otherwise.
CREATE TABLE database_identity (
    id TEXT PRIMARY KEY NOT NULL,
    place TEXT,
    restored_at TEXT
);

INSERT INTO database_identity (id) VALUES (lower(hex(randomblob(16))));
