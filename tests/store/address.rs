//! A mistyped `DATABASE_URL` is refused, and leaves nothing behind.

use crate::support::program::Ligand;

#[test]
fn a_mistyped_database_url_never_creates_a_file() {
    for (url, reason) in [
        ("postgre://ligand:hunter2@db/ligand", "must be postgres://"),
        ("Postgres://ligand:hunter2@db/ligand", "must be postgres://"),
        ("postgres:/ligand:hunter2@db/ligand", "must be postgres://"),
        ("ligand.db", "must be postgres://"),
        ("sqlite:", "needs a path"),
        ("sqlite:no/such/directory/ligand.db", "No such file or directory"),
        // Nobody listens there; the name of the database is no file name either.
        ("postgres://ligand:hunter2@127.0.0.1:1/ligand.db", "not available"),
    ] {
        let ligand = Ligand::new().set("DATABASE_URL", url).set("LIGAND_MASTER_KEY", "");
        let ended = ligand.run(&["migrate"]);
        assert!(!ended.success && ended.errors.contains(reason), "{url}: {ended:?}");
        assert!(!ended.errors.contains("hunter2") && !ended.output.contains("hunter2"), "{url}: {ended:?}");
        assert!(!ended.errors.contains("panicked"), "{url}: {ended:?}");
        assert_eq!(ligand.files(), Vec::<String>::new(), "{url}");
    }
}
