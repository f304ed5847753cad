//! What cannot be entered or left in its middle is refused with the reason.
