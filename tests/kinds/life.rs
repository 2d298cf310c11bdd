//! The life of an object, told once for every kind.

use serde_json::{Map, Value, json};
use upa::platform::definition::KindDefinition;
use upa::platform::definition::call::Read;
use upa::platform::definition::path;
use upa::platform::definition::placeholder::Root;
use upa::platform::suspension::How;

use super::sample::disturb;
use super::world::World;

/// Lives it, from creation to what was gone already.
pub fn live(definition: &str, name: &str) {
    let world = World::new(definition, name);
    let (kind, sample) = (world.kind.clone(), &world.sample);
    let several = sample.tenants() > 1;

    for tenant in if several { &["ana", "bob"][..] } else { &["ana"] } {
        world.tenant(tenant, "active", None);
    }
    world.apply("create");
    if kind.gate {
        return passed(&world);
    }
    assert_eq!(
        world.objects().len(),
        if several { 2 } else { 1 },
        "created: {:#?}",
        world.objects()
    );

    let mut document = sample.document.clone();
    for field in sample.document.keys().filter(|field| !kind.inputs.contains(field)) {
        change(&world, &mut document, field, sample.changed(field));
    }
    if let Some(field) = sample.droppable() {
        document.remove(field);
        world.template(&document);
        world.apply(&format!("leave out {field}"));
        if sees(&kind) {
            let object = world.object("ana").unwrap();
            assert!(object["spec"].get(field).is_none(), "{field} was left out: {object:#}");
        }
    }
    world.template(&sample.document);
    world.apply("back to the first document");
    stand_still(&world);

    if sees(&kind) {
        foreign_edit(&world);
        foreign_delete(&world);
    }
    if several && !kind.one && sees(&kind) {
        adopt(&world);
        if has_natural_key(&kind) {
            clash(&world);
        }
    }
    goodbye(&world, several);
}

/// Whether the platform ever shows an object.
fn sees(kind: &KindDefinition) -> bool {
    !matches!(kind.read, Read::Nothing)
}

/// Whether two objects can be the same to people.
fn has_natural_key(kind: &KindDefinition) -> bool {
    let natural = |list: &upa::platform::definition::call::List| {
        let conditions = &list.conditions;
        let is_spec =
            |text: &upa::platform::definition::placeholder::Text| text.holes().all(|hole| hole.root == Root::Spec);
        !conditions.is_empty() && !list.hint && conditions.iter().all(|(_, text)| is_spec(text))
    };
    kind.key.is_some() || [&kind.find, &kind.clash].into_iter().flatten().any(natural)
}

/// Nothing is there of a gate but the record that it was passed.
fn passed(world: &World) {
    let lock = world.space.lock("ana");
    assert!(
        lock["resources"][&*world.address("ana")].get("applied").is_some(),
        "{lock}"
    );
    for tenant in ["ana", "bob"] {
        world.tenant(tenant, "deprovisioned", None);
    }
    world.apply("deprovision");
}

/// A field changes in Git; the object follows, or makes way for another.
fn change(world: &World, document: &mut Map<String, Value>, field: &str, value: Value) {
    let kind = &world.kind;
    let before = world.id("ana");
    document.insert(field.to_owned(), value.clone());
    world.template(document);
    let changes = world.changes();
    let replaces = kind.update.is_none() || kind.fixed.iter().any(|fixed| fixed == "*" || fixed == field);
    let verb = if replaces { "replace" } else { "update" };
    assert!(
        changes.contains(&format!("{verb} {}", world.address("ana"))),
        "{field} changed: {changes:?}"
    );
    world.apply(&format!("change {field}"));
    let keeps_id = !replaces || kind.one;
    if kind.key.is_none() {
        assert_eq!(world.id("ana") == before, keeps_id, "change {field}");
    }
    let object = world
        .object("ana")
        .unwrap_or_else(|| panic!("{field} changed, and it is not there: {:#?}", world.objects()));
    let wanted = serde_json::from_str(&value.to_string().replace("<%= tenant.name %>", "ana")).unwrap();
    assert!(
        holds(&object["spec"][field], &wanted),
        "{field} must be {wanted}: {object:#}"
    );
}

/// Whether a value has everything that is wanted of it; texts may carry the mark.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| found.get(key).is_some_and(|found| holds(found, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| holds(found, wanted))
        }
        (Value::String(found), Value::String(wanted)) => found.starts_with(wanted.as_str()),
        // A form knows only texts.
        (found, wanted) => {
            found == wanted || found.to_string().trim_matches('"') == wanted.to_string().trim_matches('"')
        }
    }
}

/// The tenant is suspended and active again: the object stands still as its kind says, and is as before afterwards.
fn stand_still(world: &World) {
    let kind = &world.kind;
    let contents = |object: &Value| {
        let mut object = object.clone();
        object["object"].as_object_mut().unwrap().remove("updatedAt");
        object
    };
    let before = world.object("ana").map(|object| contents(&object)).unwrap();
    let writes = world.writes();
    world.tenant("ana", "suspended", None);
    world.apply("suspend");
    let now = world.objects().into_iter().find(|object| object["id"] == before["id"]);
    let now = now.as_ref().map(contents);
    match (&kind.suspend.means.how, &now) {
        (How::Keeps(_), now) => assert_eq!(
            (now.as_ref(), world.writes()),
            (Some(&before), writes),
            "it keeps running"
        ),
        (How::Stops, Some(now)) => {
            let calls = kind.suspend.calls.as_ref().unwrap();
            assert_eq!(path::at(&now["object"], &calls.at), Some(&calls.is), "{now:#}");
        }
        (How::Writes { set, clear }, Some(now)) => {
            for (field, value) in set {
                assert!(holds(&now["spec"][field], value), "{field} must be {value}: {now:#}");
            }
            let there = clear.iter().find(|field| now["spec"].get(*field).is_some());
            assert_eq!(there, None, "{now:#}");
        }
        (How::Removes, now) => {
            let gone = kind.gone.as_ref();
            let says = |now: &Value| gone.is_some_and(|gone| path::at(&now["object"], &gone.at) == Some(&gone.is));
            assert!(now.as_ref().is_none_or(says), "it is removed: {now:#?}");
        }
        (How::Stops | How::Writes { .. }, None) => panic!("it must be there while its tenant is suspended"),
    }
    world.tenant("ana", "active", None);
    world.apply("resume");
    let after = contents(&world.object("ana").unwrap());
    match &kind.suspend.means.how {
        How::Keeps(_) | How::Writes { .. } => assert_eq!(after, before, "it is as before"),
        How::Stops => {
            let calls = kind.suspend.calls.as_ref().unwrap();
            assert_ne!(path::at(&after["object"], &calls.at), Some(&calls.is), "{after:#}");
            assert_eq!(after["spec"], before["spec"], "it is as before");
        }
        How::Removes => assert_ne!(after["id"], before["id"], "there is another"),
    }
}

/// Somebody changes a field on the platform; it is put right.
fn foreign_edit(world: &World) {
    let (kind, sample) = (&world.kind, &world.sample);
    let hidden = kind.hidden();
    let mut fields = sample.document.keys().filter(|field| {
        let is_key = kind
            .key
            .as_ref()
            .is_some_and(|key| key.holes().any(|hole| hole.path == **field));
        // What is told apart by its name is another object under another name.
        let is_natural = matches!(kind.read, Read::Find)
            && kind.find.iter().any(|find| {
                find.conditions
                    .iter()
                    .any(|(_, text)| text.holes().any(|hole| hole.path == **field))
            });
        !kind.inputs.contains(field) && !hidden.contains(field) && !is_key && !is_natural
    });
    let Some(field) = fields.next_back() else { return };
    let object = world.object("ana").unwrap();
    let mut value = object["spec"][field].clone();
    // A text may end with the mark, which is not what is disturbed here.
    match &mut value {
        Value::String(text) => text.insert(0, 'X'),
        other => assert!(disturb(other)),
    }
    world.editor("PATCH", &world.id("ana"), Some(&json!({ field: value })));
    let changes = world.changes();
    assert_eq!(changes.len(), 1, "{field} was edited on the platform: {changes:?}");
    world.apply(&format!("foreign edit of {field}"));
    let after = world.object("ana").unwrap();
    let wanted = &Value::Object(sample.of_tenant("ana"))[field];
    assert!(
        holds(&after["spec"][field], wanted),
        "{field} must be {wanted} again: {after:#}"
    );
}

/// Somebody deletes the object on the platform; a new one is made.
fn foreign_delete(world: &World) {
    let before = world.id("ana");
    world.editor("DELETE", &before, None);
    let changes = world.changes();
    assert_eq!(changes.len(), 1, "deleted on the platform: {changes:?}");
    world.apply("foreign delete");
    assert!(world.object("ana").is_some(), "it is back");
}

/// An object that somebody made by hand becomes ours.
fn adopt(world: &World) {
    let id = world.by_hand("cyd");
    world.tenant("cyd", "active", Some(&id));
    let changes = world.changes();
    assert_eq!(changes, [format!("adopt {}", world.address("cyd"))]);
    world.apply("adopt");
    assert_eq!(world.id("cyd"), id);
    world.tenant("cyd", "active", None);
    world.settled("adopted for good");
}

/// Somebody else has one that looks like ours: nothing is touched.
fn clash(world: &World) {
    let stranger = world.by_hand("dan");
    let before = world.objects();
    world.tenant("dan", "active", None);
    let writes = world.writes();
    let run = world.space.upa(&["apply", "--yes", "dan"]);
    assert_eq!(run.status, 10, "a stranger's twin: {run}");
    assert!(run.stderr.contains("[adopt]"), "{run}");
    assert_eq!((world.objects(), world.writes()), (before, writes), "a stranger's twin");
    world.space.remove("tenants/dan.toml");
    world.space.commit("no dan");
    world.editor("DELETE", &stranger, None);
}

/// Deprovisioned: gone, also what was gone already.
fn goodbye(world: &World, several: bool) {
    let kind = &world.kind;
    let ana = world.object("ana").map(|object| object["id"].clone());
    // From a tenant who is suspended it goes as well as from one who is not.
    world.tenant("ana", "suspended", None);
    world.apply("suspend before the end");
    world.tenant("ana", "deprovisioned", None);
    world.apply("delete");
    let is_there = world
        .objects()
        .into_iter()
        .find(|object| Some(&object["id"]) == ana.as_ref());
    match (&kind.delete, &kind.gone, is_there) {
        (None, _, there) => assert!(there.is_some(), "it is left behind"),
        (Some(_), Some(gone), Some(object)) => {
            let found = upa::platform::definition::path::at(&object["object"], &gone.at);
            assert_eq!(found, Some(&gone.is), "{object:#}");
        }
        (Some(_), _, there) => assert!(there.is_none() || kind.one, "deleted: {there:#?}"),
    }
    if several {
        if sees(kind) {
            world.editor("DELETE", &world.id("bob"), None);
        }
        world.tenant("bob", "deprovisioned", None);
        world.apply("gone already");
        let lock = world.space.read("tenants/bob.lock");
        assert!(!lock.contains("applied"), "{lock}");
    }
}
