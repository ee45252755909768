//! The database refuses to store what the vendor has just given, for every reason that it has, in English and in German:
//! whoever holds a new token, or the reply to a code, keeps it until it is stored.

use std::time::Duration;

use serde_json::Value;

use super::Extent;
use super::spent::{
    PATIENCE, count, creation, due, lost_codes, lost_grants, many, orders, refresh_all, spend_all, timed,
    unspent_again, words,
};
use crate::support::database::runtime;
use crate::support::failing_writes::{FailingWrites, Failure};
use crate::support::fleet::Fleet;
use crate::support::{Database, on_both};

/// The states that PostgreSQL fails with for no reason of the row's own, each with its words in both languages. Class 23
/// is missing: that is a verdict.
const STATES: [(&str, &str, &str); 36] = [
    ("08000", "connection exception", "Verbindungsfehler"),
    ("08003", "connection does not exist", "Verbindung existiert nicht"),
    ("08006", "server closed the connection unexpectedly", "Server beendete die Verbindung unerwartet"),
    ("0A000", "cached plan must not change result type", "gecachter Plan darf den Ergebnistyp nicht ändern"),
    (
        "25006",
        "cannot execute UPDATE in a read-only transaction",
        "UPDATE kann nicht in einer Read-Only-Transaktion ausgeführt werden",
    ),
    ("25P02", "current transaction is aborted", "aktuelle Transaktion wurde abgebrochen"),
    (
        "25P03",
        "terminating connection due to idle-in-transaction timeout",
        "Verbindung wird abgebrochen wegen Zeitüberschreitung",
    ),
    (
        "26000",
        "prepared statement \"__diesel_stmt_7\" does not exist",
        "vorbereitete Anweisung »__diesel_stmt_7« existiert nicht",
    ),
    (
        "40001",
        "could not serialize access due to concurrent update",
        "konnte Zugriff nicht serialisieren wegen gleichzeitiger Aktualisierung",
    ),
    ("40003", "statement completion unknown", "Ausgang der Anweisung unbekannt"),
    ("40P01", "deadlock detected", "Verklemmung (Deadlock) entdeckt"),
    ("42501", "permission denied for table credential", "keine Berechtigung für Tabelle credential"),
    ("53000", "insufficient resources", "nicht genügend Ressourcen"),
    (
        "53100",
        "could not extend file \"base/1/2\": No space left on device",
        "konnte Datei »base/1/2« nicht erweitern: Auf dem Gerät ist kein Speicherplatz mehr verfügbar",
    ),
    ("53200", "out of memory", "Speicher aufgebraucht"),
    ("53300", "sorry, too many clients already", "tut mir leid, schon zu viele Verbindungen"),
    ("53400", "configuration limit exceeded", "Konfigurationsgrenze überschritten"),
    ("54000", "program limit exceeded", "Programmgrenze überschritten"),
    ("54001", "stack depth limit exceeded", "Grenze für Stacktiefe überschritten"),
    ("55000", "object not in prerequisite state", "Objekt nicht im benötigten Zustand"),
    ("55006", "database is being accessed by other users", "auf Datenbank wird von anderen Benutzern zugegriffen"),
    ("55P03", "canceling statement due to lock timeout", "storniere Anfrage wegen Zeitüberschreitung einer Sperre"),
    ("57000", "operator intervention", "Eingriff des Betreibers"),
    ("57014", "canceling statement due to user request", "storniere Anfrage wegen Benutzeraufforderung"),
    ("57014", "canceling statement due to statement timeout", "storniere Anfrage wegen Zeitüberschreitung der Anfrage"),
    (
        "57P01",
        "terminating connection due to administrator command",
        "Verbindung wird abgebrochen aufgrund von Anweisung des Administrators",
    ),
    (
        "57P02",
        "terminating connection because of crash of another server process",
        "Verbindung wird abgebrochen wegen Absturz eines anderen Serverprozesses",
    ),
    ("57P03", "the database system is starting up", "das Datenbanksystem startet"),
    (
        "57P05",
        "terminating connection due to idle-session timeout",
        "Verbindung wird abgebrochen wegen Zeitüberschreitung der inaktiven Sitzung",
    ),
    ("58000", "system error", "Systemfehler"),
    (
        "58030",
        "could not read block 0 in file \"base/1/2\": Input/output error",
        "konnte Block 0 in Datei »base/1/2« nicht lesen: Eingabe-/Ausgabefehler",
    ),
    ("72000", "snapshot too old", "Snapshot zu alt"),
    ("F0001", "lock file exists", "Sperrdatei existiert"),
    ("XX000", "unexpected data beyond EOF", "unerwartete Daten hinter Dateiende"),
    ("XX001", "invalid page in block 0 of relation base/1/2", "ungültige Seite in Block 0 von Relation base/1/2"),
    ("P0001", "a trigger of somebody else's says no", "ein fremder Trigger sagt nein"),
];

/// One for each state and language; of SQLite what its triggers can.
fn faults(database: &Database) -> Vec<(String, Failure)> {
    let sqlite = database.url.starts_with("sqlite:");
    let states = STATES.iter().flat_map(|(state, english, german)| {
        [("en", english), ("de", german)].map(|(language, words)| {
            let state = if sqlite { if language == "en" { "ABORT" } else { "ROLLBACK" } } else { state };
            (language, Failure { state, words })
        })
    });
    let states = states.take(if sqlite { 8 } else { usize::MAX }).enumerate();
    states.map(|(number, (language, failure))| (format!("{} {language} {number}", failure.state), failure)).collect()
}

on_both!(no_failure_of_the_database_costs_a_grant_or_a_code, in |database| {
    runtime().block_on(refused(database));
});

async fn refused(database: Database) {
    let extent = Extent::of_this_run();
    let fleet = Fleet::start(database, 1).await;
    let caller = &fleet.callers[0];
    let faults = faults(&fleet.database);
    let names = |kind: &str| -> Vec<String> { faults.iter().map(|(name, _)| format!("{kind} {name}")).collect() };
    let failing = FailingWrites::before(&fleet.database);
    let due = due(&fleet, &names("token")).await;
    let orders = orders(&fleet, &names("code")).await;
    let kinds = ["token", "code"];
    failing.strike(
        kinds.iter().flat_map(|kind| faults.iter().map(move |(name, fault)| (format!("{kind} {name}"), *fault))),
    );

    let keyed = &orders[0];
    let with_key = || creation(caller, keyed).header("idempotency-key", "spent-once");
    let (refreshes, others, first) =
        tokio::join!(refresh_all(caller, &due), spend_all(caller, &orders[1..]), timed(&keyed.name, with_key()));
    let creations: Vec<_> = [first].into_iter().chain(others).collect();
    let mut wrong: Vec<String> =
        refreshes.iter().chain(&creations).filter_map(|answer| answer.complaint(503, "database_unavailable")).collect();
    let late = refreshes.iter().chain(&creations).filter(|answer| answer.took > PATIENCE);
    wrong.extend(late.map(|answer| format!("{} waited for {:?}", answer.name, answer.took)));
    for answer in &creations {
        let Some(id) = answer.instance() else { continue };
        let reply = caller.get(&format!("/instances/{id}")).await;
        if reply.status != 404 || reply.header("retry-after").is_none() {
            wrong.push(format!("{} while it is under way: {}", answer.name, words(&reply)));
        }
    }
    let spent = fleet.token_calls();

    failing.lift();
    let limit = extent.of(Duration::from_secs(20), Duration::from_secs(60));
    // Before anything else is asked: the repeat waits for the flight, or gets what it brought.
    let repeated = timed(&keyed.name, with_key()).await;
    let named = creations[0].instance().or(repeated.instance());
    if repeated.reply.status != 200 || repeated.instance() != named {
        wrong.push(format!("the repeat: {}", words(&repeated.reply)));
    }
    let creations = std::iter::once(repeated).chain(creations.into_iter().skip(1)).collect();
    let (creations, unspent) = unspent_again(caller, &orders, creations).await;
    let mut lost = lost_grants(&fleet, caller, &due, limit).await;
    let lost_codes = lost_codes(&fleet, caller, &creations, limit).await;
    let (grants, codes) = (count(&lost), count(&lost_codes));
    lost.extend(lost_codes);
    let database = if fleet.database.url.starts_with("sqlite:") { "grants sqlite" } else { "grants postgres" };
    extent.report(
        database,
        &[
            ("faults", many(faults.len())),
            ("spent_while_refused", spent),
            ("codes_unspent", many(unspent)),
            ("wrong_answers", count(&wrong)),
            ("lost_grants", grants),
            ("lost_codes", codes),
        ],
    );
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    // A refresh token that is sent twice ends its grant.
    assert!(spent <= many(due.len() + orders.len()), "{spent}: nothing was spent twice");
    assert_eq!(fleet.sandbox().live_grants(), due.len() + orders.len());
    assert_eq!(caller.get("/instances/count").await.ok()["totalInstances"], Value::from(due.len() + orders.len()));
}
