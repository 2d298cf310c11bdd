//! What a person answers when a run asks.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::world::World;

static ONE_LIKE_IT: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#"(?P<tenant>[a-z]+)@v1/(?P<resource>[a-z]+): an earlier run tried to create it and was cut off, and there is one like it: "[^"]*" \((?P<id>[^)]+)\)"#;
    Regex::new(text).unwrap()
});

/// The tenant of an address.
pub fn tenant(address: &str) -> &str {
    address.split(['@', '/']).next().unwrap()
}

/// Looks at the platform, sees that it is theirs, and types what the hint says. The tenants that were asked about.
pub fn answer(world: &World, said: &str) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for question in ONE_LIKE_IT.captures_iter(said) {
        let path = format!("tenants/{}.toml", &question["tenant"]);
        let text = world.files.lock().unwrap()[&path].clone();
        let line = format!("{} = \"{}\"", &question["resource"], &question["id"]);
        assert!(
            said.contains(&format!("add `{line}` to `[adopt]`")),
            "what to type is not said: {said}"
        );
        let text = match text.contains("[adopt]") {
            true => text.replace("[adopt]", &format!("[adopt]\n{line}")),
            false => format!("{text}\n[adopt]\n{line}\n"),
        };
        world.write(&path, text);
        asked.insert(question["tenant"].to_owned());
    }
    if !asked.is_empty() {
        world.commit("what was asked is answered");
    }
    asked
}
