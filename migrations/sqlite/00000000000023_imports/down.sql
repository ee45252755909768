DROP TABLE instance_import;
