//! Branches that are behind: what is planned is what the merge would bring, and nothing that was merged meanwhile is undone.

use crate::support::origin::Origin;
use crate::support::{Run, Space, product};

const GIT: &str = "remote = \"origin\"\nbranch = \"main\"";

/// A clone whose branch `theirs` parted before `main` went on, and the one that goes on with `main`.
struct Two {
    origin: Origin,
    main: Space,
    theirs: Space,
}

impl Two {
    /// Of these tenants, all of them applied.
    fn of(tenants: &[&str]) -> Self {
        let origin = Origin::path();
        let main = origin.first(tenants, GIT);
        main.apply();
        let theirs = origin.clone(&[]);
        theirs.git(&["checkout", "--quiet", "-b", "theirs"]);
        Self { origin, main, theirs }
    }

    /// Changes `main`, and applies it.
    fn goes_on(&self, message: &str, change: impl Fn(&Space)) {
        change(&self.main);
        self.main.commit(message);
        self.main.git(&["push", "--quiet"]);
        self.main.apply();
    }

    /// Merges the branch, as a forge does it.
    fn merged(&self) {
        self.theirs.git(&["push", "--quiet", "--force", "origin", "theirs"]);
        self.main.git(&["fetch", "--quiet"]);
        self.main
            .git(&["merge", "--quiet", "--no-ff", "-m", "merged", "origin/theirs"]);
        self.main.git(&["push", "--quiet"]);
    }
}

fn greeting(space: &Space, tenant: &str, to: &str) {
    space.edit(
        &format!("tenants/{tenant}.toml"),
        &format!("Hello from {tenant}"),
        &format!("{to} from {tenant}"),
    );
}

/// A fix of the version: another revision, with another prompt of the assistant.
fn fixed(space: &Space) {
    let mut assistant = product::assistant();
    assistant["name"] = "<%= tenant.name %> voice".into();
    product::template(space, "assistant.json", &assistant);
    space.upa(&["release", "bot", "v1"]).exits(0);
}

#[track_caller]
fn says_merged(run: &Run, commits: &str) {
    let told = format!("what is planned is {commits} behind `main` of the remote `origin` (");
    assert!(
        run.stderr.contains(&told) && run.stderr.contains("): it is planned as merged with it"),
        "{run}"
    );
}

/// The addresses that a plan of the arguments changes.
fn changed(space: &Space, args: &[&str]) -> Vec<String> {
    let plan = space
        .upa(&[&["plan", "--format", "json"], args].concat())
        .exits(0)
        .json();
    let changes = plan["changes"].as_array().unwrap().iter();
    changes
        .map(|change| change["address"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn only_what_the_branch_changed_is_planned() {
    let two = Two::of(&["ana", "bo"]);
    two.goes_on("bo", |space| greeting(space, "bo", "Good day"));
    greeting(&two.theirs, "ana", "Hi");
    // Neither before it is committed, nor afterwards, nor by name.
    let run = two.theirs.upa(&["plan"]).exits(0);
    assert!(
        run.stdout.contains("Hi from ana") && !run.stdout.contains("bo@v1"),
        "{run}"
    );
    two.theirs.commit("ana");
    for args in [&["plan"][..], &["plan", "--at", "theirs"], &["plan", "--at", "HEAD"]] {
        let run = two.theirs.upa(args).exits(0);
        assert!(
            run.stdout.contains("Hi from ana") && !run.stdout.contains("bo@v1"),
            "{run}"
        );
        says_merged(&run, "2 commits");
        assert!(
            run.stderr.contains("(tenants/bo.toml)") && run.stderr.contains("git pull --rebase origin main"),
            "{run}"
        );
    }
    let plan = two.theirs.upa(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(plan["behind"]["commits"], 2);
    assert_eq!(plan["behind"]["merged"], true);
    assert_eq!(plan["behind"]["commit"], two.origin.git(&["rev-parse", "main"]));
    assert_eq!(plan["commit"], serde_json::Value::Null);
    assert_eq!(changed(&two.theirs, &[]), ["ana@v1/answer", "ana@v1/assistant"]);
    // Nothing of the clone has moved.
    assert_eq!(two.theirs.git(&["status", "--porcelain"]), "");
    assert!(two.theirs.read("tenants/bo.toml").contains("Hello from bo"));
}

/// The plan that was reviewed is the plan that is applied, and no other.
#[test]
fn a_plan_as_merged_is_the_plan_after_the_merge() {
    let two = Two::of(&["ana", "bo"]);
    two.goes_on("bo", |space| greeting(space, "bo", "Good day"));
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.commit("ana");
    let file = two.main.root().join("../reviewed.json").display().to_string();
    let reviewed = two.theirs.upa(&["plan", "--out", &file]).exits(0);
    // Not before the merge, wherever it is tried.
    let run = two.theirs.upa(&["apply", "--plan", &file]).exits(5);
    assert!(run.stderr.contains("is not in `main` of the remote `origin`"), "{run}");
    two.merged();
    assert_eq!(two.main.upa(&["plan"]).exits(0).digest(), reviewed.digest());
    two.main.upa(&["apply", "--plan", &file]).exits(0);
    two.main.settled();
}

#[test]
fn a_plan_as_merged_is_refused_once_more_than_that_was_merged() {
    let two = Two::of(&["ana", "bo"]);
    two.goes_on("bo", |space| greeting(space, "bo", "Good day"));
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.commit("ana");
    let file = two.main.root().join("../reviewed.json").display().to_string();
    two.theirs.upa(&["plan", "--out", &file]).exits(0);
    two.merged();
    greeting_of_bo_again(&two.main);
    two.main.git(&["push", "--quiet"]);
    let run = two.main.upa(&["apply", "--plan", &file]).exits(12);
    assert!(run.stderr.contains("bo@v1/"), "{run}");
}

fn greeting_of_bo_again(space: &Space) {
    space.edit("tenants/bo.toml", "Good day", "Good night");
    space.commit("bo again");
}

#[test]
fn a_branch_that_is_far_behind_is_planned_with_the_releases_since() {
    let two = Two::of(&["ana", "bo"]);
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.commit("ana");
    two.goes_on("a fix", fixed);
    for day in 0..3 {
        two.goes_on("a new tenant", |space| {
            space.write(&format!("tenants/t{day}.toml"), product::tenant(&format!("t{day}")));
        });
    }
    two.goes_on("bo", |space| greeting(space, "bo", "Good day"));
    let run = two.theirs.upa(&["plan"]).exits(0);
    says_merged(&run, "13 commits");
    assert!(
        run.stdout.contains("Hi from ana") && !run.stdout.contains("ana voice"),
        "the fix is there already: {run}"
    );
    assert_eq!(changed(&two.theirs, &[]), ["ana@v1/answer", "ana@v1/assistant"]);
    // A release that is merged and not applied is part of what the merge brings.
    let two = Two::of(&["ana"]);
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.commit("ana");
    fixed(&two.main);
    two.main.commit("a fix");
    two.main.git(&["push", "--quiet"]);
    let run = two.theirs.upa(&["plan"]).exits(0);
    assert!(
        run.stdout.contains("Hi from ana") && run.stdout.contains("ana voice"),
        "{run}"
    );
    let reviewed = run.digest();
    two.merged();
    assert_eq!(two.main.upa(&["plan"]).exits(0).digest(), reviewed);
}

#[test]
fn what_cannot_be_merged_is_named() {
    let two = Two::of(&["ana", "bo"]);
    two.goes_on("another", |space| greeting(space, "ana", "Good day"));
    greeting(&two.theirs, "ana", "Hi");
    for is_committed in [false, true] {
        if is_committed {
            two.theirs.commit("ana");
        }
        let run = two.theirs.upa(&["plan"]).exits(5);
        crate::support::transcript::complete(&run.stderr.replace("warning: ", "note: "));
        assert!(
            run.stderr
                .contains("`tenants/ana.toml` was changed here and in `main` of the remote `origin` since they parted")
                && run.stderr.contains("--> tenants/ana.toml")
                && run
                    .stderr
                    .contains("rebase or merge first: `git pull --rebase origin main`"),
            "{run}"
        );
        assert_eq!(run.stdout, "");
        // It concerns that tenant alone.
        let run = two.theirs.upa(&["plan", "bo"]).exits(0);
        assert!(run.stdout.contains("Nothing to do"), "{run}");
    }
    // Deleted here and changed there, likewise.
    two.theirs.remove("tenants/ana.toml");
    two.theirs.commit("gone");
    let run = two.theirs.upa(&["plan"]).exits(5);
    assert!(
        run.stderr.contains("`tenants/ana.toml` was changed here and in"),
        "{run}"
    );
}

#[test]
fn a_branch_that_is_not_behind_is_planned_as_it_is() {
    let two = Two::of(&["ana", "bo"]);
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.commit("ana");
    let run = two.theirs.upa(&["plan"]).exits(0);
    assert!(!run.stderr.contains("behind"), "{run}");
    let plan = two.theirs.upa(&["plan", "--format", "json"]).exits(0).json();
    assert_eq!(plan["behind"], serde_json::Value::Null);
    // What it undoes on purpose is its own change.
    two.goes_on("bo", |space| greeting(space, "bo", "Good day"));
    two.theirs
        .git(&["pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main"]);
    two.theirs.edit("tenants/bo.toml", "Good day", "Hello");
    two.theirs.commit("undone");
    let run = two.theirs.upa(&["plan"]).exits(0);
    assert!(
        run.stdout.contains("Hello from bo") && !run.stderr.contains("behind"),
        "{run}"
    );
}

/// Nothing but a stated rollback shows what going back would be.
#[test]
fn an_older_commit_is_planned_as_a_rollback_when_that_is_said() {
    let two = Two::of(&["ana", "bo"]);
    two.goes_on("bo", |space| greeting(space, "bo", "Good day"));
    let run = two.theirs.upa(&["plan"]).exits(0);
    says_merged(&run, "2 commits");
    assert!(
        run.stdout.contains("Nothing to do") && run.stderr.contains("`upa plan --rollback`"),
        "{run}"
    );
    for args in [&["--rollback"][..], &["--rollback", "--at", "HEAD"]] {
        let run = two.theirs.upa(&[&["plan"], args].concat()).exits(0);
        assert!(
            run.stdout.contains("Hello from bo")
                && run.stderr.contains(
                    "2 commits behind `main` of the remote `origin` (tenants/bo.toml): it is planned as it is"
                ),
            "{run}"
        );
        assert_eq!(changed(&two.theirs, args), ["bo@v1/answer", "bo@v1/assistant"]);
    }
    let planned = two.theirs.upa(&["plan", "--rollback"]).exits(0).digest();
    two.theirs.git(&["checkout", "--quiet", "--detach"]);
    two.theirs.upa(&["apply", "--yes"]).exits(12);
    let run = two.theirs.upa(&["apply", "--yes", "--rollback"]).exits(0);
    assert_eq!(run.digest(), planned);
}

/// Without `[git] remote` the trusted commit is what a head will be merged into.
#[test]
fn a_head_is_planned_as_merged_with_the_trusted_commit() {
    let space = Space::with(&["ana", "bo"]);
    space.apply();
    space.git(&["checkout", "--quiet", "-b", "theirs"]);
    greeting(&space, "ana", "Hi");
    space.commit("ana");
    space.git(&["checkout", "--quiet", "main"]);
    greeting(&space, "bo", "Good day");
    space.commit("bo");
    space.apply();
    space.git(&["checkout", "--quiet", "theirs"]);
    let run = space.upa(&["plan", "--trusted-ref", "main"]).exits(0);
    assert!(
        run.stdout.contains("Hi from ana")
            && !run.stdout.contains("bo@v1")
            && run
                .stderr
                .contains("2 commits behind `main` (tenants/bo.toml): it is planned as merged with it"),
        "{run}"
    );
}

/// A merge is no way in for what says where keys go.
#[test]
fn a_merge_brings_no_governing_file_of_a_head_in() {
    let two = Two::of(&["ana", "bo"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let stranger = format!("http://{}", listener.local_addr().unwrap());
    two.goes_on("bo, and a limit", |space| {
        greeting(space, "bo", "Good day");
        space.edit("upa.toml", "name = \"tests\"\n", "name = \"tests\"\n# of main\n");
    });
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.edit(
        "upa.toml",
        "[accounts.vapi]\nsandbox = true\n",
        &format!("[accounts.vapi]\nbase_url = \"{stranger}\"\ncredentials.api_key = {{ env = \"THE_KEY\" }}\n"),
    );
    two.theirs
        .write("platforms/own.toml", "name = \"own\"\n# not even complete\n");
    for is_committed in [false, true] {
        if is_committed {
            two.theirs.commit("theirs");
        }
        for ci in [&[][..], &[("CI", "true")]] {
            let variables = [ci, &[("THE_KEY", "canary-of-a-merge")]].concat();
            let run = two.theirs.upa_with(&["plan"], &variables).exits(0);
            assert!(
                run.stdout.contains("Hi from ana") && !run.stdout.contains("bo@v1"),
                "{run}"
            );
            for path in ["upa.toml", "platforms/own.toml"] {
                assert!(
                    run.stderr
                        .contains(&format!("`{path}` is not as in `main` of the remote `origin`")),
                    "{run}"
                );
            }
            assert!(listener.accept().is_err(), "the stranger was contacted");
        }
    }
    // Both changed it in one place: there is nothing to merge, since only the trusted one counts.
    two.goes_on("a comment", |space| {
        space.edit("upa.toml", "[accounts.vapi]", "# of main too\n[accounts.vapi]");
    });
    let run = two
        .theirs
        .upa_with(&["plan"], &[("THE_KEY", "canary-of-a-merge")])
        .exits(0);
    assert!(!run.stderr.contains("Git cannot merge"), "{run}");
    assert!(listener.accept().is_err(), "the stranger was contacted");
}

/// The trusted commit says where keys go, and not the tip of the branch either, where these are two.
#[test]
fn a_merge_brings_no_governing_file_of_the_tip_in_where_another_commit_is_trusted() {
    let two = Two::of(&["ana"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let stranger = format!("http://{}", listener.local_addr().unwrap());
    two.theirs.git(&["branch", "trusted"]);
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.commit("ana");
    let vapi = format!("[accounts.vapi]\nbase_url = \"{stranger}\"\ncredentials.api_key = {{ env = \"THE_KEY\" }}\n");
    two.main.edit("upa.toml", "[accounts.vapi]\nsandbox = true\n", &vapi);
    two.main.commit("elsewhere");
    two.main.git(&["push", "--quiet"]);
    let args = ["plan", "--trusted-ref", "trusted"];
    let run = two.theirs.upa_with(&args, &[("THE_KEY", "canary-of-a-merge")]).exits(0);
    assert!(run.stdout.contains("Hi from ana"), "{run}");
    assert!(listener.accept().is_err(), "the stranger was contacted");
}

/// Adopted by a merged commit that the head does not have: it is no claim of the head.
#[test]
fn what_was_merged_meanwhile_is_no_claim_of_the_head() {
    let two = Two::of(&["ana", "bo"]);
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.commit("ana");
    let id = two.main.id("bo", "bo@v1/assistant");
    two.goes_on("adopted", |space| {
        let text = space.read("tenants/bo.toml");
        space.write("tenants/bo.toml", format!("{text}\n[adopt]\nassistant = \"{id}\"\n"));
    });
    let run = two.theirs.upa_with(&["plan"], &[("CI", "true")]).exits(0);
    assert!(
        !run.stderr.contains("looked at after the merge") && run.stdout.contains("Hi from ana"),
        "{run}"
    );
    assert_eq!(changed(&two.theirs, &[]), ["ana@v1/answer", "ana@v1/assistant"]);
}

/// A clone that holds the last commit alone does not know where the branch parted, and says so.
#[test]
fn a_clone_without_the_history_says_that_it_cannot_tell() {
    let two = Two::of(&["ana"]);
    greeting(&two.theirs, "ana", "Hi");
    two.theirs.commit("ana");
    two.theirs.git(&["push", "--quiet", "origin", "theirs"]);
    let runner = two.origin.clone(&["--depth=1", "--branch=theirs"]);
    // No person reads the warning there.
    let run = runner.upa_with(&["plan"], &[("CI", "true")]).exits(5);
    assert!(
        run.stdout.is_empty() && run.stderr.contains("git fetch --unshallow"),
        "{run}"
    );
    let run = runner.upa(&["plan"]).exits(0);
    assert!(
        run.stderr.contains("cannot be told") && run.stderr.contains("git fetch --unshallow"),
        "{run}"
    );
    runner.git(&["fetch", "--quiet", "--unshallow"]);
    let run = runner.upa_with(&["plan"], &[("CI", "true")]).exits(0);
    assert!(!run.stderr.contains("cannot be told"), "{run}");
}

/// Lockfiles come from the remote whatever a branch holds: that it holds others is said, and changes nothing.
#[test]
fn a_lockfile_that_a_branch_edits_is_told_and_counts_for_nothing() {
    let two = Two::of(&["ana"]);
    let lock = two.theirs.read("tenants/ana.lock");
    two.theirs
        .write("tenants/ana.lock", lock.replace("revision = 1", "revision = 7"));
    two.theirs.commit("an edited lockfile");
    let run = two.theirs.upa_with(&["plan", "--detailed-exitcode"], &[("CI", "true")]);
    assert_eq!(run.status, 0, "{run}");
    assert!(
        run.stderr
            .contains("`tenants/ana.lock` was changed here, and counts as it is in `main` of the remote `origin`"),
        "{run}"
    );
    // One that upa wrote meanwhile is none that the branch edited.
    let two = Two::of(&["ana"]);
    two.goes_on("ana", |space| greeting(space, "ana", "Hi"));
    two.theirs.write("notes.txt", "a note");
    two.theirs.commit("a note");
    let run = two.theirs.upa_with(&["plan"], &[("CI", "true")]).exits(0);
    assert!(!run.stderr.contains("upa alone writes lockfiles"), "{run}");
}

#[test]
fn what_is_checked_out_is_no_trusted_commit() {
    let space = Space::with(&["ana"]);
    for revision in ["HEAD", "HEAD~0", "HEAD^0", "@", "@~0", "HEAD@{0}"] {
        let run = space.upa(&["plan", "--trusted-ref", revision]).exits(5);
        assert!(run.stderr.contains("which a pull request chooses"), "{revision}: {run}");
    }
}
