//! `upa demo`: the whole story, and a workspace that can be used afterwards.

use crate::support::Space;

#[test]
fn the_story_ends_well_and_goes_on() {
    let space = Space::bare();
    let run = space.upa(&["demo", "here"]).exits(0);
    for sentence in [
        "1. What would happen?",
        "Plan: 53 to create in 3 of 3 tenants and what tenants share",
        "Nothing to do: all 3 tenants are as Git says.",
        "6 of 6",
        "5 of 5",
        "Released recepcionista-ia v2.0 revision 2",
        "drift: changed on the platform",
        "cd here",
    ] {
        assert!(run.stdout.contains(sentence), "`{sentence}` is not in\n{run}");
    }
    assert!(run.stderr.contains("was edited without a release"), "{run}");
    let within = |arguments: &[&str]| {
        let mut command = space.command(arguments);
        command.current_dir(space.path("here"));
        command.output().unwrap()
    };
    let plan = within(&["plan", "--detailed-exitcode"]);
    assert_eq!(plan.status.code(), Some(2), "{plan:?}");
    assert!(String::from_utf8_lossy(&plan.stdout).contains("America/Lima"));
    for arguments in [
        &["apply", "--yes"][..],
        &["plan", "--detailed-exitcode"],
        &["status"],
        &["show", "welcs"],
        &["validate"],
    ] {
        let output = within(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
    let again = space.upa(&["demo", "here"]).exits(64);
    assert!(
        again.stderr.contains("is not empty") && again.stderr.contains("hint:"),
        "{again}"
    );
}
