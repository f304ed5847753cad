//! What the engine did, and when: a ring of typed events, for trace viewers.
