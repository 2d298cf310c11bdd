//! Lockfiles that people touched: what is refused, in which words, and that nothing is written.

use insta::assert_snapshot;

use crate::support::product;
use crate::support::{Space, transcript};

fn applied(tenants: &[&str]) -> Space {
    let space = Space::with(tenants);
    space.apply();
    space
}

#[test]
fn conflict_markers() {
    let space = applied(&["ana"]);
    space.edit(
        "tenants/ana.lock",
        "format = 1\n",
        "<<<<<<< HEAD\nformat = 1\n=======\nformat = 1\n>>>>>>> fix\n",
    );
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: there are merge conflict markers in this file
     --> tenants/ana.lock:2:1
      |
    2 | <<<<<<< HEAD
      | ^^^^^^^^^^^^
      |
    help: finish the merge and commit it, then run again
    "#);
}

#[test]
fn a_newer_format_is_not_touched() {
    let space = applied(&["ana", "bo"]);
    space.edit("tenants/ana.lock", "format = 1\n", "format = 2\n");
    let text = space.read("tenants/ana.lock");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: this lockfile has format 2, and this upa knows formats up to 1
     --> tenants/ana.lock:2:10
      |
    2 | format = 2
      |          ^
      |
    help: use the newer upa that wrote it
    "#);
    assert_eq!(space.read("tenants/ana.lock"), text);
    // The other tenant can be worked on by its name.
    space.upa(&["plan", "--detailed-exitcode", "bo"]).exits(0);
}

#[test]
fn a_copied_lockfile() {
    let space = applied(&["ana"]);
    space.write("tenants/bo.toml", product::tenant("bo"));
    space.write("tenants/bo.lock", space.read("tenants/ana.lock"));
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: this lockfile belongs to tenant `ana`, not to `bo`
     --> tenants/bo.lock:3:10
      |
    3 | tenant = "ana"
      |          ^^^^^
      |
    help: a lockfile cannot be copied: remove it, and `upa apply` writes the tenant's own
    "#);
    // Renamed within, it would still share the webhook paths.
    let renamed = space.read("tenants/ana.lock").replace("ana", "bo");
    space.write("tenants/bo.lock", renamed);
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stdout
    No changes; 1 tenant could not be planned.
    --- stderr
    error: tenants `ana` and `bo` would share their webhook paths (v1): their lockfiles record the same base, so the one of `bo` is a copy; without it `upa apply` assigns new paths
    --> tenants/bo.lock
     |
    help: git rm -q tenants/bo.lock && git commit -m 'Remove a copied lockfile'
    "#);
}

#[test]
fn a_lockfile_that_was_edited_by_hand() {
    let space = applied(&["ana"]);
    let head = space.head();
    space.edit("tenants/ana.lock", "revision = 1", "revision = 7");
    let run = space.upa(&["apply", "--yes"]).exits(5);
    transcript::complete(&run.stderr);
    assert_snapshot!(run, @r#"
    exit 5
    --- stderr
    error: `tenants/ana.lock` was edited by hand; upa alone writes lockfiles
    --> tenants/ana.lock
     |
    help: git checkout HEAD -- tenants/ana.lock
    "#);
    assert_snapshot!(space.upa(&["validate"]).exits(5), @r#"
    exit 5
    --- stderr
    error: `tenants/ana.lock` is not as upa wrote it
    --> tenants/ana.lock
     |
    help: git checkout main -- tenants/ana.lock
    "#);
    assert_eq!(space.head(), head);
    // What the hint says works.
    space.git(&["checkout", "--", "tenants/ana.lock"]);
    space.upa(&["validate"]).exits(0);
    space.settled();
}

#[test]
fn a_lockfile_with_keys_nobody_wrote() {
    let space = applied(&["ana"]);
    space.edit(
        "tenants/ana.lock",
        "tenant = \"ana\"\n",
        "tenant = \"ana\"\nsurprise = 1\n",
    );
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: this lockfile is damaged: `surprise`: unknown field `surprise`, expected one of `format`, `tenant`, `versions`, `resources`
     --> tenants/ana.lock:4:12
      |
    4 | surprise = 1
      |            ^
      |
    help: restore it as upa wrote it: `git log -- FILE` names the commits, `git checkout COMMIT -- FILE`
    "#);
    space.write("tenants/ana.lock", "");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: this is not a lockfile: `format` is missing or wrong
    --> tenants/ana.lock
     |
    help: restore it as upa wrote it: `git log -- FILE` names the commits, `git checkout COMMIT -- FILE`
    "#);
}

#[test]
fn a_tenant_file_that_vanished_deletes_nothing() {
    let space = applied(&["ana", "bo"]);
    space.remove("tenants/ana.toml");
    assert_snapshot!(space.refused(), @r#"
    exit 5
    --- stderr
    error: tenant `ana` has no file any more, but its lockfile still holds its objects (3)
    --> tenants/ana.toml
     |
    help: restore the file (`git log -- tenants/ana.toml` names the commit that removed it); to delete the objects set `status = "deprovisioned"` in it and apply
    "#);
    assert_eq!(space.objects(), 6);
    // The other can go on, and the vanished one cannot be named away.
    space.upa(&["apply", "--yes", "bo"]).exits(0);
    space.upa(&["apply", "--yes", "ana"]).exits(5);
    assert_eq!(space.objects(), 6);
}

#[test]
fn a_lockfile_that_was_deleted() {
    let space = applied(&["ana"]);
    space.remove("tenants/ana.lock");
    space.commit("no lockfile");
    let run = space.upa(&["apply", "--yes"]);
    assert_snapshot!(run, @r#"
    exit 10
    --- stdout
    No changes; 1 tenant could not be planned.
    --- stderr
    error: ana@v1/answer: an object with its mark exists ([ID]), but no lockfile records it
      --> versions/bot/v1.toml:15:12
       |
    15 | [resources.answer]
       |            ^^^^^^
       |
    help: if tenants/ana.lock was deleted, restore it with git, or rebuild it with `upa recover ana`; to take the object over add `answer = "[ID]"` to `[adopt]` of the tenant; else delete it there
    error: ana@v1/assistant: an object with its mark exists ([UUID]), but no lockfile records it
      --> versions/bot/v1.toml:25:12
       |
    25 | [resources.assistant]
       |            ^^^^^^^^^
       |
    help: if tenants/ana.lock was deleted, restore it with git, or rebuild it with `upa recover ana`; to take the object over add `assistant = "[UUID]"` to `[adopt]` of the tenant; else delete it there
    error: ana@v1/record: an object with its mark exists ([ID]), but no lockfile records it
      --> versions/bot/v1.toml:20:12
       |
    20 | [resources.record]
       |            ^^^^^^
       |
    help: if tenants/ana.lock was deleted, restore it with git, or rebuild it with `upa recover ana`; to take the object over add `record = "[ID]"` to `[adopt]` of the tenant; else delete it there
    3 errors
    "#);
    // Whatever happens, there are no twins.
    assert_eq!(space.objects(), 3);
}

#[test]
fn a_pull_request_may_not_edit_a_lockfile() {
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.n8n]",
        "[git]\nlock_branch = \"main\"\n\n[accounts.n8n]",
    );
    space.commit("lockfiles are on main");
    space.apply();
    space.git(&["checkout", "--quiet", "-b", "pull-request"]);
    space.upa(&["validate"]).exits(0);
    space.edit("tenants/ana.lock", "revision = 1", "revision = 7");
    space.write("tenants/bo.lock", "format = 1\n");
    space.commit("an edited lockfile");
    assert_snapshot!(space.upa(&["validate", "--at", "HEAD"]), @r#"
    exit 5
    --- stderr
    error: `tenants/ana.lock` is not as upa wrote it
    --> tenants/ana.lock
     |
    help: git checkout main -- tenants/ana.lock
    error: `tenants/bo.lock` is not as upa wrote it
    --> tenants/bo.lock
     |
    help: remove tenants/bo.lock: `upa apply` writes lockfiles
    2 errors
    "#);
    assert_eq!(space.upa(&["validate"]).status, 5);
    space.git(&["rm", "--quiet", "--force", "tenants/ana.lock", "tenants/bo.lock"]);
    assert_eq!(space.upa(&["validate"]).status, 5, "removing one is editing it");
    space.commit("removed");
    // What counts is on main, whatever the branch says.
    space.settled();
}

#[test]
fn a_pull_request_may_hold_lockfiles_that_are_older() {
    let space = Space::with(&["ana"]);
    space.edit(
        "upa.toml",
        "[accounts.n8n]",
        "[git]\nlock_branch = \"main\"\n\n[accounts.n8n]",
    );
    space.commit("lockfiles are on main");
    space.apply();
    space.git(&["branch", "pull-request"]);
    space.edit("tenants/ana.toml", "Hello", "Hi");
    space.commit("another change, merged meanwhile");
    space.apply();
    space.git(&["checkout", "--quiet", "pull-request"]);
    let run = space.upa(&["validate"]);
    assert_eq!(run.status, 0, "{run}");
    space.upa(&["validate", "--at", "pull-request"]).exits(0);
}
