//! The gated feed-forward network's activation.

#![no_std]
#![forbid(unsafe_code)]
