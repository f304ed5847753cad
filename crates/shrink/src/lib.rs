//! From what was measured to smaller images: pure functions over bytes.
//!
//! - [`native`]: one program's relocatable objects become a static executable.

#![forbid(unsafe_code)]

pub mod native;
