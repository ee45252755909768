-- How old a program may be that runs on this database: the newest migration that it knows. A migration that only adds leaves
-- this alone; one that programs before it cannot live with sets it to its own number.
CREATE TABLE compatibility (
    oldest TEXT PRIMARY KEY
);

INSERT INTO compatibility (oldest) VALUES ('00000000000008');
