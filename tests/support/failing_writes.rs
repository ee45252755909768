//! A database that refuses to write the credentials of some instances, with the state and the words that a test chooses.

use std::fmt::Write as _;

use super::Database;

/// On PostgreSQL an SQLSTATE. SQLite's triggers have none: what they raise is a failure that no code names, which takes
/// along the statement (`ABORT`) or the whole transaction, as a full disk does (`ROLLBACK`).
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    pub state: &'static str,
    pub words: &'static str,
}

pub struct FailingWrites(Database);

impl FailingWrites {
    pub fn before(database: &Database) -> Self {
        let postgres = "
            CREATE TABLE faulty (name TEXT PRIMARY KEY, state TEXT NOT NULL, words TEXT NOT NULL);
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
            DECLARE fault record;
            BEGIN
                SELECT f.* INTO fault FROM faulty f JOIN instance i ON f.name IN (i.name, '*') WHERE i.id = NEW.instance_id;
                IF FOUND THEN RAISE EXCEPTION USING errcode = fault.state, message = fault.words; END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER fails BEFORE INSERT OR UPDATE ON credential FOR EACH ROW EXECUTE FUNCTION fail()";
        match is_sqlite(database) {
            true => database
                .execute("CREATE TABLE faulty (name TEXT PRIMARY KEY, state TEXT NOT NULL, words TEXT NOT NULL)"),
            false => database.execute(postgres),
        }
        Self(Database::at(database.url.clone()))
    }

    /// From now on, for the instances of these names; `*` is every one.
    pub fn strike(&self, faults: impl IntoIterator<Item = (String, Failure)>) {
        let mut sql = String::from("BEGIN;");
        for (name, Failure { state, words }) in faults {
            let words = words.replace('\'', "''");
            let _ = write!(sql, "INSERT INTO faulty VALUES ('{name}', '{state}', '{words}');");
            if is_sqlite(&self.0) {
                // The words of `RAISE` are fixed.
                for event in ["INSERT", "UPDATE"] {
                    let _ = write!(
                        sql,
                        "CREATE TRIGGER IF NOT EXISTS \"{name} fails at {event}\" BEFORE {event} ON credential
                         WHEN EXISTS (SELECT 1 FROM faulty f JOIN instance i ON f.name IN (i.name, '*')
                                      WHERE i.id = NEW.instance_id AND f.name = '{name}')
                         BEGIN SELECT RAISE({state}, '{words}'); END;"
                    );
                }
            }
        }
        self.0.execute(&(sql + "COMMIT"));
    }

    /// What was refused may be written again.
    pub fn lift(&self) {
        self.0.execute("DELETE FROM faulty");
    }
}

fn is_sqlite(database: &Database) -> bool {
    database.url.starts_with("sqlite:")
}
