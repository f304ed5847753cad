//! From what was measured to smaller images: pure functions over bytes.
//!
//! - [`evict`]: a runtime and what of it ran become a hot image and a cold file.
//! - [`report`]: how much of the runtime a program never needs, by library and by object; [`treemap`] draws it.
//! - [`native`]: one program's relocatable objects become a static executable.

#![forbid(unsafe_code)]

pub mod coverage;
pub mod evict;
pub mod link_data;
pub mod native;
pub mod relink;
pub mod report;
pub mod treemap;

pub use coverage::Coverage;
pub use evict::{Evicted, Options, evict};
