//! upa reads **tenants** from Git into a *desired* state, **observes** the platforms, **plans** the difference against the
//! **lockfile**, **renders** the plan, **applies** it through **platforms**, and commits the lockfile.
//!
//! # The map
//!
//! | room | what happens there | |
//! |---|---|---|
//! | [`repo`] | reads a work tree or a commit, commits lockfiles; the only place that names Git | effect |
//! | [`workspace`] | files → tenants, versions, accounts, and everything that is wrong with them | pure |
//! | [`template`] | `<%= %>` in JSON documents | pure |
//! | [`desired`] | what Git asks for, tenant by tenant; [`symbol`]s where a value is not known yet | pure |
//! | [`observe`] | asks every account at once | effect |
//! | [`plan`] | desired × observed × locked → changes, with their reasons | pure |
//! | [`gates`] | what a person must have checked, and whether somebody did | pure |
//! | [`export`] | a running object → the template that renders to it | pure |
//! | [`orphans`] | what carries our mark and stands in no lockfile | pure |
//! | [`recover`] | a lost lockfile, from the marks | pure |
//! | [`render`] | plans and tables as text and JSON | pure |
//! | [`apply`] | carries a plan out, tenants side by side, with a [`journal`] and a [`lease`] | effect |
//! | [`lockfile`], [`lockstore`] | what is remembered, and where | pure, effect |
//! | [`platform`] | what upa knows about platforms, how it asks them, how it writes to them | both |
//! | [`secret`], [`secrets`] | what cannot be printed, its [`fingerprint`], and where it is read from | pure, effect |
//! | [`trust`] | which accounts may be contacted, and what of a head that is not merged yet is believed | pure |
//! | [`endpoint`] | which addresses a key may travel to, and which stay on this machine | pure |
//! | [`outside`] | time, chance, the network, the `git` program, what must survive a crash: behind one trait | effect |
//! | [`number`] | numbers by their exact value, and what doubles make of them | pure |
//! | [`message`] | texts for people, by which nothing can be decided | pure |
//! | [`visible`] | texts of strangers as they may be shown | pure |
//! | [`sandbox`] | every platform, imitated on loopback | effect |
//! | [`cli`] | one file per subcommand; each body is the pipeline | effect |
//!
//! Follow one plan: [`cli`]'s `plan.rs` → `session.rs` (repo, workspace, lockfiles) → `survey.rs` (desired, observe, plan)
//! → [`render::plan`]. `apply.rs` adds [`apply`] and the commit.
//!
//! # What always holds
//!
//! - What plans holds no writer: it is given [`platform::Observer`]s; only apply gets [`platform::Executor`]s.
//! - What could not be read is not absent ([`platform::Reading`]), and unknown never creates or deletes.
//! - A stranger's object is never touched: ours is what carries our mark *and* stands in a lockfile.
//! - A value from a tenant never becomes code, and no tenant's document holds an id, path or credential of another.
//! - A secret is a [`secret::Secret`] or a [`symbol::Symbol`]: what plans, renders or records holds only the symbol.
//! - `tests/architecture.rs` proves which rooms are pure.

pub mod apply;
pub mod cli;
pub mod desired;
pub mod digest;
pub mod endpoint;
pub mod exit;
pub mod export;
pub mod fingerprint;
pub mod gates;
pub mod journal;
pub mod lease;
pub mod lockfile;
pub mod lockstore;
pub mod message;
pub mod number;
pub mod observe;
pub mod orphans;
pub mod outside;
pub mod plan;
pub mod platform;
pub mod problem;
pub mod record;
pub mod recover;
pub mod render;
pub mod repo;
pub mod resource;
pub mod sandbox;
pub mod secret;
pub mod secrets;
pub mod symbol;
pub mod template;
pub mod trust;
pub mod visible;
pub mod workspace;
