-- How the grant stands between good and gone, as JSON: refusals in a row, and when it ends by itself.
ALTER TABLE credential ADD COLUMN standing TEXT;
