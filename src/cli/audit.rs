//! `ligand audit`: whether the audit log is what was written.

use super::{Ended, database, print, services, told};
use crate::config::Audit;
use crate::service::audit::verify::{Finding, Verified};

/// Rows that are named; the rest is counted.
const NAMED: usize = 50;

pub async fn run(Audit::Verify { storage, head }: Audit) -> Ended {
    let services = services(&storage).await?;
    let verified = services.verify_audit_log(head.as_deref()).await.map_err(|error| told(&error));
    let verified = database::close(&services.store, Ok(())).await.and(verified)?;
    print(&summary(&verified))?;
    refuse(&verified.findings)
}

fn summary(verified: &Verified) -> String {
    let Verified { head, rows, first, unchained, findings, head_lapsed } = verified;
    let mut lines = vec![match rows {
        0 => "no row is chained".to_owned(),
        _ => format!("{rows} rows are chained, the first is row {first}, and the head is {head}"),
    }];
    if !unchained.is_empty() {
        let ids: Vec<_> = unchained.iter().take(NAMED).map(i64::to_string).collect();
        let more = if unchained.len() > NAMED { " …" } else { "" };
        lines.push(format!("{} rows are younger than the last seal: id {}{more}", unchained.len(), ids.join(", ")));
    }
    if *head_lapsed {
        lines.push("the given head is older than every row that is kept: nothing was compared with it".to_owned());
    }
    if findings.is_empty() {
        lines.push("nothing is missing, altered or cut off".to_owned());
    }
    lines.join("\n")
}

fn refuse(findings: &[Finding]) -> Ended {
    if findings.is_empty() {
        return Ok(());
    }
    let named: String = findings.iter().take(NAMED).map(|finding| format!("\n  {finding}")).collect();
    let rest = match findings.len().saturating_sub(NAMED) {
        0 => String::new(),
        rest => format!("\n  and {rest} more"),
    };
    Err(format!("the audit log is not what was written:{named}{rest}"))
}
