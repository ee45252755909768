use std::process::ExitCode;

use clap::Parser as _;
use ligand::cli;
use ligand::config::Cli;

/// Gives back what a burst of requests took; the C library's keeps most of it for the threads that had it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main(Cli::parse())
}
