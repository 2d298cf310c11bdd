//! Mutual exclusion between runs: on one machine a locked file, among machines a ref of the remote.
//!
//! The file is always taken. It also proves that a claim which this clone left on the remote is nobody's any more.

pub mod claims;
pub mod guarded;
pub mod local;
pub mod permit;
pub mod remote;

pub use claims::{Claim, Claims};
pub use guarded::Guarded;
pub use local::Lease;
pub use permit::Permit;
