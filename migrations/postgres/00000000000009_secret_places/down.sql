DROP TABLE secret_place;
