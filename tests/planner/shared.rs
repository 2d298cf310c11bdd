//! What must hold of every plan in which tenants share something.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use upa::plan::{Action, Reason};
use upa::platform::{Reading, Unread};
use upa::resource::Address;
use upa::workspace::{Entry, Files, Origin};

use crate::world::{World, released};

const VERSION: &str = r#"
product = "duo"
version = "v1"
revision = 1
stage = "released"
[inputs]
properties.voice = { type = "boolean" }
[resources.base]
kind = "vapi.assistant"
scope = "account"
template = "base.json"
[resources.voice]
kind = "vapi.assistant"
scope = "account"
template = "voice.json"
when = { input = "voice", is = true }
[resources.main]
kind = "vapi.assistant"
template = "main.json"
"#;

const TEMPLATES: [(&str, &str); 3] = [
    ("base.json", r#"{"name": "base"}"#),
    (
        "voice.json",
        r#"{"name": "voice", "firstMessage": "<%= resources.base.id %>"}"#,
    ),
    (
        "main.json",
        r#"{"name": "<%= tenant.name %>", "firstMessage": "<%= resources.voice.id ?? \"\" %>"}"#,
    ),
];

const VOICE: &str = "@shared:vapi/voice";

/// Tenants, and of each whether it uses the voice and whether it is to be taken down.
fn files(tenants: &[(&str, bool, bool)]) -> Files {
    let mut entries = BTreeMap::new();
    let mut add = |path: String, text: String| {
        entries.insert(path, Entry::Text(Arc::from(text)));
    };
    add(
        "upa.toml".to_owned(),
        "[workspace]\nname = \"w\"\n[accounts.vapi]\nsandbox = true\n".to_owned(),
    );
    released("duo", VERSION, &TEMPLATES)
        .into_iter()
        .for_each(|(path, text)| add(path, text));
    for (name, voice, gone) in tenants {
        let status = if *gone { "deprovisioned" } else { "active" };
        let text = format!(
            "product = \"duo\"\nversion = \"v1\"\ntier = \"client\"\noperator = \"ana\"\nstatus = \"{status}\"\n[inputs]\nvoice = {voice}\n"
        );
        add(format!("tenants/{name}.toml"), text);
    }
    Files {
        origin: Origin::WorkTree,
        entries,
    }
}

/// The same platforms and lockfiles, and other files.
fn then(mut world: World, tenants: &[(&str, bool, bool)]) -> World {
    let later = World::of(&files(tenants));
    world.workspace = later.workspace;
    world.desired = later.desired;
    world.desired.remember(&world.locks);
    world
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

#[test]
fn it_is_wanted_once() {
    let world = World::of(&files(&[("ana", true, false), ("bo", true, false)]));
    assert_eq!(world.addresses().len(), 4);
    let plan = world.plan();
    assert!(plan.is_empty() && plan.problems.is_empty(), "{plan:#?}");
    assert_eq!(plan.tenants, 2);
}

#[test]
fn made_again_it_is_referred_to_again() {
    let mut world = World::of(&files(&[
        ("ana", true, false),
        ("bo", true, false),
        ("cy", false, false),
    ]));
    *world.reading(&address(VOICE)) = Reading::Absent;
    let plan = world.plan();
    let changes: Vec<_> = plan
        .changes
        .iter()
        .map(|change| (change.address.to_string(), change.action, change.reason))
        .collect();
    assert_eq!(
        changes,
        [
            ("ana@v1/main".to_owned(), Action::Update, Reason::ReferenceChanged),
            ("bo@v1/main".to_owned(), Action::Update, Reason::ReferenceChanged),
            (VOICE.to_owned(), Action::Create, Reason::DeletedOnPlatform),
        ]
    );
}

#[test]
fn unreadable_it_hinders_its_users_and_what_refers_to_it_and_nobody_else() {
    let mut world = World::of(&files(&[("ana", true, false), ("cy", false, false)]));
    for tenant in ["ana", "cy"] {
        *world.reading(&address(&format!("{tenant}@v1/main"))) = Reading::Absent;
    }
    *world.reading(&address(VOICE)) = Reading::Unreadable(Unread::because("no"));
    assert_eq!(world.changes(), BTreeSet::from(["create cy@v1/main".to_owned()]));
    assert_eq!(world.plan().blocked(), BTreeSet::from(["@shared", "ana"]));
    // Ana does not use the base, and uses what refers to it.
    *world.reading(&address("@shared:vapi/base")) = Reading::Unreadable(Unread::because("no"));
    *world.reading(&address(VOICE)) = Reading::Absent;
    assert_eq!(world.changes(), BTreeSet::from(["create cy@v1/main".to_owned()]));
    assert_eq!(world.plan().blocked(), BTreeSet::from(["@shared", "ana"]));
}

#[test]
fn it_is_not_deleted_before_those_who_may_use_it() {
    let gone = [("ana", true, true), ("bo", true, true), ("cy", false, false)];
    let mut world = then(
        World::of(&files(&[
            ("ana", true, false),
            ("bo", true, false),
            ("cy", false, false),
        ])),
        &gone,
    );
    let plan = world.plan();
    let delete = plan
        .changes
        .iter()
        .find(|change| change.address == address(VOICE))
        .unwrap();
    assert_eq!((delete.action, delete.reason), (Action::Delete, Reason::Unused));
    assert_eq!(delete.work.after, BTreeSet::from(["ana".to_owned(), "bo".to_owned()]));
    // One of them is not part of this plan.
    let bo = world.desired.tenants.remove("bo").unwrap();
    let plan = world.plan();
    assert!(
        !plan.changes.iter().any(|change| change.address == address(VOICE)),
        "{plan:#?}"
    );
    assert!(
        plan.problems
            .iter()
            .any(|problem| !problem.is_error() && problem.message.to_string().contains("may have used it: bo")),
        "{:#?}",
        plan.problems
    );
    // One of them cannot be planned.
    world.desired.tenants.insert("bo".to_owned(), bo);
    *world.reading(&address("bo@v1/main")) = Reading::Unreadable(Unread::because("no"));
    assert_eq!(world.changes(), BTreeSet::from(["delete ana@v1/main".to_owned()]));
}

#[test]
fn a_file_that_is_missing_or_wrong_never_deletes_it() {
    // Cy uses the base, and no object of its own refers to it.
    let mut world = World::of(&files(&[("ana", false, false), ("cy", false, false)]));
    let base = "delete @shared:vapi/base".to_owned();
    let everybody_gone = then(world, &[("ana", false, true), ("cy", false, true)]);
    assert!(everybody_gone.changes().contains(&base));
    world = then(everybody_gone, &[("ana", false, true)]);
    assert!(!world.changes().contains(&base));
    let mut broken = files(&[("ana", false, true), ("cy", false, false)]);
    assert!(broken.entries.remove("versions/duo/v1.toml").is_some());
    world.workspace = upa::workspace::load(&broken).workspace.unwrap();
    world.desired = upa::desired::desired(&world.workspace, |tenant| tenant == "ana").0;
    world.desired.remember(&world.locks);
    assert_eq!(world.changes(), BTreeSet::from(["delete ana@v1/main".to_owned()]));
}

#[test]
fn the_selected_ones_leave_what_others_use_alone() {
    let mut world = World::of(&files(&[("ana", true, false), ("cy", false, false)]));
    let (state, problems) = upa::desired::desired(&world.workspace, |tenant| tenant == "cy");
    assert!(problems.is_empty());
    world.desired = state;
    *world.reading(&address(VOICE)) = Reading::Absent;
    let plan = world.plan();
    assert!(plan.is_empty() && plan.problems.is_empty(), "{plan:#?}");
    let asked = upa::observe::questions("w", &world.desired, &world.locks);
    let ids: Vec<&String> = asked["vapi"].ids.values().flatten().collect();
    assert_eq!(ids, ["id @shared:vapi.base", "id cy@v1.main"]);
}

proptest! {
    #[test]
    fn it_lives_as_long_as_one_of_its_users(uses in prop::collection::vec(any::<(bool, bool)>(), 3)) {
        let names = ["ana", "bo", "cy"];
        let before: Vec<_> = names.map(|name| (name, true, false)).to_vec();
        let after: Vec<_> = names.iter().zip(&uses).map(|(name, (voice, gone))| (*name, *voice, *gone)).collect();
        let world = then(World::of(&files(&before)), &after);
        let used = uses.iter().any(|(voice, gone)| *voice && !*gone);
        let living = uses.iter().any(|(_, gone)| !*gone);
        let changes = world.changes();
        prop_assert_eq!(changes.contains("delete @shared:vapi/voice"), !used, "{:?}", changes);
        prop_assert_eq!(changes.contains("delete @shared:vapi/base"), !living, "{:?}", changes);
        prop_assert!(!changes.contains("create @shared:vapi/voice"));
    }
}
