//! The JIT runtime: one static program for Linux and for the bare machine.
//!
//! ```text
//!  command line --> volume (image, folder, or the machine's /) --> /app/*.llbc, /app/args
//!        --> engine: verify, link, run in tiers (or compile ahead) --> bf_main(), which calls back into `platform`
//! ```
//!
//! Nothing here asks whether it runs on Linux or on the machine; `platform` does, in three places: where files are, since
//! when time counts, and how much memory a stack may promise.

#![deny(unsafe_code)]

mod cli;
mod error;
mod export;
mod files;
mod grow;
mod persist;
mod platform;
mod report;
mod run;

/// Exit code of a program that cannot be run: refused modules, missing files, a failed compile.
/// The largest code the bare machine passes on as it is.
pub const EXIT_REFUSED: u8 = 63;

fn main() {
    let started = platform::clock::since_start();
    let options = cli::parse();
    let code = match run::run(&options, started) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            EXIT_REFUSED.into()
        }
    };
    platform::call::end(code)
}
