//! `ligand audit`.

use clap::Subcommand;

use super::Storage;

#[derive(Subcommand)]
pub enum Audit {
    /// Find rows of the audit log that are missing, altered or cut off, beside a running server or without one
    ///
    /// Ends with status 1 where there are any, and says one sentence of each. Rows of the last second are not chained yet, and are
    /// named.
    Verify {
        #[command(flatten)]
        storage: Storage,
        /// A head that was written down elsewhere, as every server logs it once an hour: shows that nothing up to it was cut off
        /// or written anew
        #[arg(long, value_name = "HEAD")]
        head: Option<String>,
    },
}
