//! upa

pub mod apply;
pub mod desired;
pub mod digest;
pub mod exit;
pub mod journal;
pub mod lockfile;
pub mod observe;
pub mod plan;
pub mod platform;
pub mod problem;
pub mod repo;
pub mod resource;
pub mod sandbox;
pub mod symbol;
pub mod template;
pub mod workspace;
