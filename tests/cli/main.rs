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
mod chaos;
mod conditions;
mod demo;
mod deprovision;
mod doctor;
mod drift;
mod export;
mod exports;
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
mod lost_answers;
mod lost_updates;
mod lying_answers;
mod misc;
mod mistakes;
mod numbers;
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
mod side_by_side;
mod suspended;
mod templates;
mod times;
mod traffic;
mod waits;
mod write_back;
