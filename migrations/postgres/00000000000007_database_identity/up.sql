-- Which database this is, wherever its copies are.
-- place: where it was served last, as JSON; null before that, and for a copy that may be served.
-- restored_at: its refresh tokens may have been used since, and nobody has said yet that they may be used; null otherwise.
CREATE TABLE database_identity (
    id TEXT PRIMARY KEY,
    place TEXT,
    restored_at TIMESTAMPTZ
);

INSERT INTO database_identity (id) VALUES (replace(gen_random_uuid()::text, '-', ''));
