ALTER TABLE spent_code DROP COLUMN newer_sealed;
