DROP TABLE spent_code;
