//! The command line as a person meets it: the real binary, real Git repositories, the embedded sandbox.
//!
//! One file per subcommand or story. `support` makes workspaces, runs `upa` with a cleared environment, and turns what
//! it printed into a transcript in which everything that differs from run to run is replaced.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

mod support;

mod accounts;
mod adopt;
mod apply;
mod behind;
mod conditions;
mod demo;
mod doctor;
mod drift;
mod export;
mod gates;
mod hostile_amounts;
mod hostile_canaries;
mod hostile_keys;
mod hostile_names;
mod hostile_places;
mod hostile_text;
mod integrations;
mod interrupted;
mod lies;
mod lifecycle;
mod limits;
mod lockfiles;
mod lost_updates;
mod misc;
mod mistakes;
mod orphans;
mod owners;
mod places;
mod plan;
mod platform;
mod races;
mod recover;
mod refusals;
mod release;
mod remote;
mod renewal;
mod said;
mod sandbox;
mod secret_refusals;
mod secrets;
mod shared;
mod templates;
mod traffic;
mod write_back;
