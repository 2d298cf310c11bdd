//! `upa release`: edited templates become the next revision; nothing else of the file changes.

use insta::assert_snapshot;

use crate::support::Space;
use crate::support::product::{TEMPLATES, VERSION_FILE};

#[test]
fn a_release_changes_the_revision_and_the_digests() {
    let space = Space::with(&["ana"]);
    space.apply();
    assert_snapshot!(space.upa(&["release", "bot", "v1"]), @r#"
    exit 0
    --- stdout
    Nothing to release: revision 1 is what is there.
    "#);
    space.edit(VERSION_FILE, "revision = 1", "revision = 1   # counts the fixes");
    space.edit(&format!("{TEMPLATES}/assistant.json"), "assistant\"", "helper\"");
    space.write(&format!("{TEMPLATES}/prompt.md"), "Be kind.\n");
    assert_snapshot!(space.upa(&["release", "bot", "v1"]), @r#"
    exit 0
    --- stdout
      templates/bot/v1/assistant.json
      templates/bot/v1/prompt.md
    Released bot v1 revision 2: commit versions/bot/v1.toml together with the templates.
    "#);
    assert!(space.read(VERSION_FILE).contains("revision = 2   # counts the fixes\n"));
    assert_snapshot!(space.git(&["diff", "--stat", "--", VERSION_FILE]), @r#"
    versions/bot/v1.toml | 5 +++--
    1 file changed, 3 insertions(+), 2 deletions(-)
    "#);
    space.upa(&["validate"]).exits(0);
    space.commit("released");
    let status = space.upa(&["status"]);
    assert_snapshot!(crate::support::transcript::seen(&status.stdout), @r#"
    TENANT  TIER    STATUS  VERSION  REVISION      REQUEST    OBJECTS  SINCE
    ana     client  active  bot v1   1 (newest 2)  COMPLETED  3        [TIME]
    "#);
    space.apply();
    space.settled();
}

#[test]
fn what_the_version_file_says_is_part_of_the_revision_and_its_stage_is_not() {
    let space = Space::with(&["ana"]);
    space.apply();
    space.edit(
        VERSION_FILE,
        "stage = \"released\"",
        "stage = \"retired\"   # nobody new",
    );
    space.upa(&["validate"]).exits(0);
    space.edit(VERSION_FILE, "maxLength = 40", "maxLength = 50");
    assert_snapshot!(space.upa(&["validate"]), @r#"
    exit 5
    --- stderr
    error: `versions/bot/v1.toml` was edited without a release: revision 1 has another definition
     --> versions/bot/v1.toml:5:1
      |
    5 | definition = "sha256:[DIGEST]"
      | ^^^^^^^^^^
      |
    help: run `upa release bot v1`, then commit
    "#);
    assert_snapshot!(space.upa(&["release", "bot", "v1"]), @r#"
    exit 0
    --- stdout
      versions/bot/v1.toml
    Released bot v1 revision 2: commit versions/bot/v1.toml together with the templates.
    "#);
    space.upa(&["validate"]).exits(0);
    space.edit(VERSION_FILE, "definition =", "# definition =");
    assert_snapshot!(space.upa(&["validate"]), @r#"
    exit 5
    --- stderr
    error: `versions/bot/v1.toml` does not say what revision 2 is: it has no `definition`
    --> versions/bot/v1.toml
     |
    help: run `upa release bot v1`, then commit
    "#);
    space.upa(&["release", "bot", "v1"]).exits(0);
    assert!(space.read(VERSION_FILE).contains("revision = 3"));
    space.upa(&["validate"]).exits(0);
}

#[test]
fn what_cannot_be_released() {
    let space = Space::with(&[]);
    assert_snapshot!(space.upa(&["release", "bot", "v2"]), @r#"
    exit 5
    --- stderr
    error: there is no version `bot v2`
    hint: did you mean `upa release bot v1`?
    "#);
    assert_snapshot!(space.upa(&["release", "zoo", "v9"]), @r#"
    exit 5
    --- stderr
    error: there is no version `zoo v9`
    hint: known: bot v1
    "#);
    let before = space.read(VERSION_FILE);
    space.write(&format!("{TEMPLATES}/record.json"), "{");
    assert_snapshot!(space.upa(&["release", "bot", "v1"]), @r#"
    exit 5
    --- stderr
    error: node "Record it": it calls workflow `[ID]`, which is not part of this version
      --> templates/bot/v1/answer.json:64:15
       |
    64 |       "name": "Record it",
       |               ^^^^^^^^^^^
       |
    help: add its export to the version as a resource, or choose one of the version's (Answer) in n8n and export again
    error: not valid JSON: EOF while parsing an object
     --> templates/bot/v1/record.json:1:1
      |
    1 | {
      | ^
      |
    help: export the document again, or check it with a JSON tool
    2 errors
    "#);
    assert_eq!(space.read(VERSION_FILE), before);
}
