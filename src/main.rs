use std::process::ExitCode;

use clap::Parser as _;
use ligand::cli;
use ligand::config::Cli;

fn main() -> ExitCode {
    cli::main(Cli::parse())
}
