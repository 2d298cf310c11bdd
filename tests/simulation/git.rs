//! The `git` program as the simulation has it: it understands the calls that upa makes, and no others.

use std::path::Path;

use git2::{Oid, Repository, RepositoryInitOptions};
use upa::outside::Said;

use super::world::MAIN;

/// What a call asks for.
pub enum Wish<'a> {
    Tips(Vec<&'a str>),
    Fetch {
        from: &'a str,
        to: &'a str,
    },
    Push {
        new: &'a str,
        reference: &'a str,
        expected: Option<&'a str>,
    },
}

pub fn understand<'a>(args: &[&'a str]) -> Wish<'a> {
    let rest = args
        .iter()
        .position(|arg| *arg == "--")
        .map(|at| &args[at + 1..])
        .unwrap();
    assert_eq!(rest[0], "origin", "{args:?}");
    if args.contains(&"ls-remote") {
        return Wish::Tips(rest[1..].to_vec());
    }
    let (from, to) = rest[1].split_once(':').unwrap();
    if args.contains(&"fetch") {
        return Wish::Fetch {
            from: from.strip_prefix('+').unwrap(),
            to,
        };
    }
    assert!(args.contains(&"push"), "{args:?}");
    let lease = args
        .iter()
        .find_map(|arg| arg.strip_prefix("--force-with-lease="))
        .unwrap();
    let (reference, expected) = lease.split_once(':').unwrap();
    assert_eq!(reference, to);
    Wish::Push {
        new: from,
        reference: to,
        expected: Some(expected).filter(|expected| !expected.is_empty()),
    }
}

/// Makes a repository with nothing in it that nobody reads, and this configuration. It lives in memory for a moment, so it
/// need not be small.
pub fn init(folder: &Path, bare: bool, configuration: &str) -> Repository {
    let mut options = RepositoryInitOptions::new();
    options.bare(bare).external_template(false).no_reinit(true);
    drop(Repository::init_opts(folder, &options).unwrap());
    let inner = if bare { folder.to_owned() } else { folder.join(".git") };
    std::fs::remove_dir_all(inner.join("hooks")).unwrap();
    let core = format!("[core]\n\trepositoryformatversion = 0\n\tbare = {bare}\n\tlooseCompression = 0\n");
    std::fs::write(inner.join("config"), core + configuration).unwrap();
    std::fs::write(inner.join("HEAD"), format!("ref: {MAIN}\n")).unwrap();
    Repository::open(folder).unwrap()
}

fn said(out: String) -> Said {
    Said {
        ok: true,
        out,
        err: String::new(),
    }
}

pub fn gone() -> Said {
    Said {
        ok: false,
        out: String::new(),
        err: "fatal: unable to access the remote".to_owned(),
    }
}

pub fn refused(new: &str, reference: &str) -> Said {
    Said {
        ok: false,
        out: format!("To origin\n!\t{new}:{reference}\t[remote rejected] (pre-receive hook declined)\nDone\n"),
        err: "remote: not now\n".to_owned(),
    }
}

/// Where a ref points to.
pub fn tip(repo: &Repository, reference: &str) -> Option<Oid> {
    repo.refname_to_id(reference).ok()
}

/// Clone and remote share their objects, so that only refs travel.
pub fn carry_out(wish: &Wish<'_>, clone: &Path, there: &Repository) -> Said {
    match wish {
        Wish::Tips(refs) => {
            let lines = refs
                .iter()
                .filter_map(|name| Some(format!("{}\t{name}\n", tip(there, name)?)));
            let default = refs.contains(&"HEAD").then(|| format!("ref: {MAIN}\tHEAD\n"));
            said(default.into_iter().chain(lines).collect())
        }
        Wish::Fetch { from, to } => match tip(there, from) {
            Some(id) => {
                let here = Repository::open(clone).unwrap();
                here.reference(to, id, true, "fetch").unwrap();
                said(String::new())
            }
            None => Said {
                ok: false,
                out: String::new(),
                err: format!("fatal: couldn't find remote ref {from}"),
            },
        },
        Wish::Push {
            new,
            reference,
            expected,
        } => {
            let now = tip(there, reference).map(|id| id.to_string());
            if now.as_deref() == Some(new) {
                return said(format!("To origin\n=\t{new}:{reference}\t[up to date]\nDone\n"));
            }
            if now.as_deref() != *expected {
                return Said {
                    ok: false,
                    out: format!("To origin\n!\t{new}:{reference}\t[rejected] (stale info)\nDone\n"),
                    err: "error: failed to push some refs\n".to_owned(),
                };
            }
            there
                .reference(reference, Oid::from_str(new).unwrap(), true, "push")
                .unwrap();
            said(format!("To origin\n \t{new}:{reference}\tmoved\nDone\n"))
        }
    }
}
