//! The vendors' own contracts, which stand in this folder as they are published (the two whose names say `mock` are
//! trimmed to what a mock server can hold): what built-in definitions lean on is found in them, and what is nearly
//! right is not.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod definitions;
mod railway;
mod reading;
