//! Code memory from outside: objects made by LLVM, linked, called, replaced, freed.

#[path = "memory/fire.rs"]
mod fire;
#[path = "memory/hostile.rs"]
mod hostile;
#[path = "memory/link.rs"]
mod link;
#[path = "memory/reclaim.rs"]
mod reclaim;
#[path = "memory/region.rs"]
mod region;
#[path = "memory/support.rs"]
mod support;
