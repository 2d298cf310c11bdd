//! lockfiles
