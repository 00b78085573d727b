//! `remote`: argv in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    remote_compute::cli::run(std::env::args_os().collect())
}
