//! Tiers: every function starts in the interpreter and climbs by its heat while the program runs.

mod config;

pub use config::{Config, Dump, Mode, Override, Thresholds};
