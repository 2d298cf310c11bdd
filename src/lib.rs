//! upa

pub mod apply;
pub mod cli;
pub mod desired;
pub mod digest;
pub mod exit;
pub mod journal;
pub mod lease;
pub mod lockfile;
pub mod lockstore;
pub mod observe;
pub mod plan;
pub mod platform;
pub mod problem;
pub mod record;
pub mod render;
pub mod repo;
pub mod resource;
pub mod sandbox;
pub mod symbol;
pub mod template;
pub mod workspace;
