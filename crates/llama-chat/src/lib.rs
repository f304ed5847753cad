//! Conversation templates: ChatML and Zephyr.

#![no_std]
#![forbid(unsafe_code)]
