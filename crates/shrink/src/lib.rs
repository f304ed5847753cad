//! From what was measured to smaller images: pure functions over bytes.
//!
//! - [`evict`]: a runtime and what of it ran become a hot image and a cold file.
//! - [`native`]: one program's relocatable objects become a static executable.

#![forbid(unsafe_code)]

pub mod coverage;
pub mod evict;
pub mod link_data;
pub mod native;
pub mod relink;

pub use coverage::Coverage;
pub use evict::{Evicted, Options, evict};
