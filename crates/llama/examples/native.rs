//! The program as an ordinary process, for development and profiling:
//! `cargo run --release -p llama --example native -- --model FILE --prompt TEXT`
#![forbid(unsafe_code)]

fn main() {
    std::process::exit(llama::bf_main());
}
