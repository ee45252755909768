-- Where the files of an element have let secrets go, one row for each such file that was ever loaded. The oldest is what secrets were
-- given for whose rows say nothing of it; `same_vendor` is the operator's word that those of every other may go there.
CREATE TABLE secret_place (
    element_id BIGINT NOT NULL,
    fingerprint TEXT NOT NULL,
    same_vendor BOOLEAN NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (element_id, fingerprint)
);
