//! Long proofs that nothing which was acknowledged, spent or promised is lost. `make test` runs each small, `make prove` at full
//! size. Each prints one line with its counts and fails on a loss.

mod cancelled;
mod codes;
mod disk;
mod failover;
mod full_disk;
mod grants;
mod holders;
mod killed;
mod liveness;
mod log;
mod memory;
mod orderly;
mod outage;
mod revoke_all;
mod rolling;
mod slow_vendor;
mod spent;
mod token_host_outage;
mod work;

use std::io::Write as _;

/// How large a proof is, and the seed that its choices come from.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub full: bool,
    pub seed: u64,
}

impl Extent {
    /// `LIGAND_PROOF=full` and `LIGAND_PROOF_SEED`, as `make prove` sets them.
    pub fn of_this_run() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let seed = variable("LIGAND_PROOF_SEED").and_then(|text| text.parse().ok()).unwrap_or(1);
        Self { full: variable("LIGAND_PROOF").as_deref() == Some("full"), seed }
    }

    pub fn of<T>(self, small: T, full: T) -> T {
        if self.full { full } else { small }
    }

    /// The proof's one line: `proof NAME: seed=1 size=small rounds=24 lost=0`.
    pub fn report(self, name: &str, counts: &[(&str, u64)]) {
        let size = self.of("small", "full");
        let counts: String = counts.iter().map(|(what, count)| format!(" {what}={count}")).collect();
        // Not `println!`: the test runner keeps that to itself when a test passes.
        let _ = writeln!(std::io::stderr(), "proof {name}: seed={} size={size}{counts}", self.seed);
    }
}
