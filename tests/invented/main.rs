//! A platform upa has never seen: its definition is data, its server is in `mailroom.rs`, and nothing of it is in
//! `src/` but the page that explains it.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests are an edge of their own, and panic on purpose"
)]

#[path = "../support/canary.rs"]
mod canary;
mod mailroom;
mod page;
mod space;

use mailroom::{Shared, World, serve};
use page::Shown;
use space::{PIN, Space};

/// A workspace of two tenants, and a Mailroom where others have mailboxes too.
async fn world() -> (Space, Shared) {
    let (world, url) = serve().await;
    for address in ["boss@welcs.example", "door@welcs.example", "post@welcs.example"] {
        world.lock().unwrap().put("w-17", address);
    }
    (Space::of_the_page(&url), world)
}

fn look<T>(world: &Shared, see: impl FnOnce(&mut World) -> T) -> T {
    see(&mut world.lock().unwrap())
}

fn nobody_was_astonished(world: &Shared) {
    look(world, |world| assert_eq!(world.astonished, Vec::<String>::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_provisioned() {
    let (space, world) = world().await;
    space.upa(&["validate"]).exits(0);
    space
        .upa(&["plan", "--detailed-exitcode"])
        .exits(2)
        .says("Plan: 4 to create");
    space.apply();
    look(&world, |world| {
        assert_eq!(world.marked().len(), 2);
        let (_, mailbox) = world.of("info@welcs.example");
        assert_eq!((mailbox.quota, &*mailbox.pin), (500, PIN));
        assert_eq!(mailbox.aliases, ["welcs-abc", "welcs-info"]);
        let [rule] = mailbox.rules.values().collect::<Vec<_>>()[..] else {
            panic!("{:?}", mailbox.rules)
        };
        assert!(rule.comment.starts_with("To whoever is on duty\n"), "{}", rule.comment);
        assert!(world.logins > 2, "no session ended: {}", world.logins);
        world.calls.clear();
    });
    space.settled();
    look(&world, |world| {
        let writes = world.calls.iter().filter(|call| !call.starts_with("GET "));
        assert_eq!(writes.count(), 0, "{:?}", world.calls);
    });
    let written = ["tenants/welcs.lock", "tenants/norte.lock"].map(|file| space.read(file));
    for secret in [PIN, mailroom::SECRET, "once-"] {
        assert!(
            !written.iter().any(|text| text.contains(secret)),
            "{secret}: {written:?}"
        );
    }
    nobody_was_astonished(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_is_put_right() {
    let (space, world) = world().await;
    space.apply();
    look(&world, |world| {
        let (_, mailbox) = world.of("info@welcs.example");
        mailbox.quota = 1;
        let rule = mailbox.rules.values_mut().next().unwrap();
        rule.forward_to = vec!["thief@elsewhere.example".to_owned()];
    });
    let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
    plan.says("drift")
        .says("quota")
        .says("forward_to")
        .says("Plan: 2 to update in 1 of 2 tenants");
    space.apply();
    look(&world, |world| {
        let (_, mailbox) = world.of("info@welcs.example");
        assert_eq!(mailbox.quota, 500);
        let rule = mailbox.rules.values().next().unwrap();
        assert_eq!(rule.forward_to, ["ana@welcs.example", "zoe@welcs.example"]);
        assert!(
            rule.comment.contains("upa:nexumops/welcs@v1/urgent"),
            "{}",
            rule.comment
        );
    });
    space.settled();
    nobody_was_astonished(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_deletes_is_made_again() {
    let (space, world) = world().await;
    space.apply();
    let before = look(&world, |world| {
        let (id, _) = world.of("info@welcs.example");
        world.delete(id);
        id
    });
    space.upa(&["plan"]).exits(0).says("Plan: 2 to create");
    space.apply();
    look(&world, |world| {
        let (id, mailbox) = world.of("info@welcs.example");
        assert!(id != before && mailbox.rules.len() == 1);
    });
    space.settled();
    nobody_was_astonished(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_lost_makes_no_twin() {
    let (space, world) = world().await;
    look(&world, |world| world.lose_answer_to = Some("/rules"));
    space.upa(&["apply", "--yes"]).exits(4).says("the connection broke");
    space.apply();
    look(&world, |world| {
        let rules = world.marked().into_iter().map(|(_, mailbox)| mailbox.rules.len());
        assert_eq!(rules.collect::<Vec<_>>(), [1, 1]);
    });
    space.settled();
    nobody_was_astonished(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_lost_makes_no_twin_either() {
    let (space, world) = world().await;
    look(&world, |world| world.lose_answer_to = Some("/mailboxes"));
    space.upa(&["apply", "--yes"]).exits(4).says("the connection broke");
    // It is found and taken, and only its password is known to nobody.
    space
        .upa(&["apply", "--yes"])
        .says("is told once")
        .says("delete the object there");
    look(&world, |world| {
        assert_eq!(world.marked().len(), 2);
        let (id, mailbox) = world
            .marked()
            .into_iter()
            .find(|(_, mailbox)| mailbox.rules.is_empty())
            .unwrap();
        assert_eq!(mailbox.pin, PIN);
        world.delete(id);
    });
    space.apply();
    look(&world, |world| {
        assert!(world.marked().iter().all(|(_, mailbox)| mailbox.rules.len() == 1))
    });
    space.settled();
    nobody_was_astonished(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_takes_everything_along() {
    let (space, world) = world().await;
    space.apply();
    for tenant in ["welcs", "norte"] {
        let file = format!("tenants/{tenant}.toml");
        space.edit(&file, "tier     =", "status   = \"deprovisioned\"\ntier     =");
    }
    space.commit();
    space.upa(&["plan"]).exits(0).says("Plan: 4 to delete");
    space.apply();
    look(&world, |world| {
        let left: Vec<&str> = world.mailboxes.values().map(|mailbox| &*mailbox.address).collect();
        assert_eq!(left, ["boss@welcs.example", "door@welcs.example", "post@welcs.example"]);
    });
    space.upa(&["plan", "--detailed-exitcode"]).exits(0);
    nobody_was_astonished(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_mailbox_is_left_alone() {
    let (space, world) = world().await;
    look(&world, |world| world.put("n-4", "info@norte.example"));
    let plan = space.upa(&["plan"]).exits(10);
    plan.says("there is one like it already").says("info@norte.example");
    // Elsewhere nobody sees it, until Mailroom says no.
    look(&world, |world| {
        world.of("info@norte.example").1.office = "x-1".to_owned()
    });
    space.upa(&["apply", "--yes"]).exits(10).says("it is not upa's");
    look(&world, |world| {
        assert_eq!(world.of("info@norte.example").1.note, "");
        assert_eq!(world.of("info@welcs.example").1.rules.len(), 1);
    });
    nobody_was_astonished(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_same_is_not_written_and_what_is_not_is() {
    let (space, world) = world().await;
    space.apply();
    space.edit("tenants/welcs.toml", "Info@welcs", "iNFO@welcs");
    space.edit(
        "tenants/welcs.toml",
        "\"zoe@welcs.example\", \"ana@welcs.example\"",
        "\"ana@welcs.example\", \"zoe@welcs.example\"",
    );
    space.commit();
    space.upa(&["plan", "--detailed-exitcode"]).exits(0);
    let rotated = [("UPA_TENANT_WELCS_PIN", "another-pin-77")];
    let plan = space.upa_with(&["plan"], &rotated).exits(0);
    plan.says("Plan: 2 to update").says("pin");
    space.upa_with(&["apply", "--yes"], &rotated).exits(0);
    look(&world, |world| {
        assert_eq!(world.of("info@welcs.example").1.pin, "another-pin-77")
    });
    // Another address is another mailbox, and takes its rule along.
    space.edit("tenants/welcs.toml", "iNFO@welcs", "hello@welcs");
    space.commit();
    let plan = space.upa_with(&["plan"], &rotated).exits(0);
    plan.says("Plan: 2 to replace");
    space.upa_with(&["apply", "--yes"], &rotated).exits(0);
    look(&world, |world| {
        assert_eq!(world.of("hello@welcs.example").1.rules.len(), 1);
        assert!(
            !world
                .mailboxes
                .values()
                .any(|mailbox| mailbox.address == "info@welcs.example")
        );
    });
    let run = space.upa_with(&["plan", "--detailed-exitcode"], &rotated).exits(0);
    assert!(run.err.is_empty(), "{run}");
    nobody_was_astonished(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_said_and_not_shown() {
    let (space, world) = world().await;
    let run = space
        .upa_with(&["plan"], &[("MAILROOM_SECRET", "battery-staple")])
        .exits(6);
    assert!(!run.to_string().contains("battery-staple"), "{run}");
    run.says("user or secret is wrong")
        .says("accounts.mailroom.credentials");
    nobody_was_astonished(&world);
}

/// Every command of the page says what the page shows.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_happens() {
    let (world, url) = serve().await;
    let space = Space::empty();
    let mut commands = 0;
    for shown in page::shown() {
        match shown {
            Shown::File { path, text } => space.write(path, &text.replace(page::USUAL_BASE, &url)),
            Shown::Session(session) => {
                for command in session {
                    let run = space.shell(command.line).exits(0);
                    let said: Vec<&str> = run.out.lines().collect();
                    assert!(page::matches(&command.says, &said), "$ {}\n{run}", command.line);
                    commands += 1;
                }
            }
        }
    }
    assert!(commands >= 7, "{commands} commands: the page has lost some");
    look(&world, |world| {
        assert_eq!(world.of("info@welcs.example").1.rules.len(), 1)
    });
    nobody_was_astonished(&world);
}

/// A definition that promises what the contract does not say is refused at its line.
#[test]
fn the_check_of_the_page_finds_what_is_wrong() {
    let space = Space::of_the_page("http://127.0.0.1:9");
    let check = "upa platform check platforms/mailroom.toml --contract platforms/mailroom.yaml";
    space.shell(check).exits(0);
    for (from, to, said) in [
        ("items = \"data.rules\"", "items = \"data.rulez\"", "data.rulez"),
        (
            "DELETE /offices/{office}/mailboxes/{id}",
            "DELETE /offices/{office}/boxes/{id}",
            "boxes",
        ),
        ("field = \"note\"", "field = \"notes\"", "`notes`"),
        ("page = \"page\"", "page = \"p\"", "`p`"),
    ] {
        let text = space.read("platforms/mailroom.toml");
        space.edit("platforms/mailroom.toml", from, to);
        space.shell(check).exits(5).says(said).says("platforms/mailroom.toml:");
        space.write("platforms/mailroom.toml", &text);
    }
}
