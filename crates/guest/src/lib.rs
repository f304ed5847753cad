//! The interface a guest program sees.

#![no_std]
