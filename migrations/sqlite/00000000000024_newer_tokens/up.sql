-- Of a refresh token that a caller brought and that its first use replaced: the newer one, where no instance has it.
ALTER TABLE spent_code ADD COLUMN newer_sealed BLOB;
