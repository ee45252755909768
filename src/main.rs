use std::process::ExitCode;

use ligand::cli;
use ligand::config::Cli;

fn main() -> ExitCode {
    cli::memory_image::keep_to_ourselves();
    match Cli::read() {
        Ok(cli) => cli::main(cli),
        Err(error) => error.exit(),
    }
}
