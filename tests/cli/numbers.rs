//! Integers beyond 2^53: kept exactly, or refused where they are written; never another one in silence.

use serde_json::json;

use crate::support::product::{self, answer, assistant, node, release, template};
use crate::support::{Space, server};

/// The small product with another template, and what a tenant gives for `minutes`.
fn with(name: &str, value: &serde_json::Value, minutes: &str) -> Space {
    let space = Space::with(&["ana"]);
    template(&space, name, value);
    release(&space);
    space.edit(
        "tenants/ana.toml",
        "[inputs]\n",
        &format!("[inputs]\nminutes = {minutes}\n"),
    );
    space.commit("numbers");
    space
}

/// A workflow and an assistant with a number in them.
fn templates(number: &serde_json::Value) -> [(&'static str, serde_json::Value); 2] {
    let mut workflow = answer();
    let nodes = workflow["nodes"].as_array_mut().unwrap();
    nodes.push(node("Minutes", "set", json!({ "minutes": number })));
    let mut voice = assistant();
    voice["maxDurationSeconds"] = number.clone();
    [("answer.json", workflow), ("assistant.json", voice)]
}

#[test]
fn an_input_that_javascript_does_not_keep_is_refused_where_it_is_given() {
    for (name, value) in templates(&json!("<%= inputs.minutes %>")) {
        let space = with(name, &value, "1187654321098765433");
        for command in [&["validate"][..], &["plan"], &["apply", "--yes"]] {
            let run = space.upa(command).exits(5);
            assert!(
                run.stderr
                    .contains("1187654321098765433 is a number that the platform does not keep")
                    && run.stderr.contains("tenants/ana.toml:8"),
                "{name}: {run}"
            );
        }
        // The next that one double holds is kept, and so is any in a text.
        space.edit("tenants/ana.toml", "1187654321098765433", "9007199254740992");
        space.commit("another");
        space.apply();
        space.settled();
    }
    for (name, value) in templates(&json!("no. <%= inputs.minutes %>")) {
        let space = with(name, &value, "1187654321098765433");
        space.upa(&["validate"]).exits(0);
    }
}

#[test]
fn a_number_in_a_template_that_javascript_does_not_keep_is_refused_where_it_stands() {
    for (name, value) in templates(&json!(9_007_199_254_740_993_u64)) {
        let space = with(name, &value, "30");
        let run = space.upa(&["validate"]).exits(5);
        let at = format!("templates/bot/v1/{name}:");
        assert!(
            run.stderr
                .contains("`9007199254740993` is a number that the platform does not keep")
                && run.stderr.contains(&at),
            "{run}"
        );
    }
}

#[test]
fn a_number_with_more_digits_than_are_kept_anywhere_is_refused() {
    let space = Space::with(&["ana"]);
    let text = space
        .read("templates/bot/v1/record.json")
        .replace("[\n        0,", "[\n        18446744073709551617,");
    assert!(text.contains("18446744073709551617"), "{text}");
    space.write("templates/bot/v1/record.json", text);
    release(&space);
    space.commit("digits");
    let run = space.upa(&["validate"]).exits(5);
    assert!(run.stderr.contains("has more digits than can be kept"), "{run}");
    for number in ["0.12345678901234567890", "18446744073709551617"] {
        let space = with("record.json", &product::record(), number);
        let run = space.upa(&["validate"]).exits(5);
        assert!(run.stderr.contains("none that upa can keep"), "{run}");
    }
}

/// What n8n made of a change by hand is another number, to the last digit.
#[test]
fn a_neighbour_beyond_2_53_is_another_number() {
    let [(name, value), _] = templates(&json!("<%= inputs.minutes %>"));
    let space = with(name, &value, "9007199254740992");
    space.apply();
    server::on(&space, |server| {
        let id = space.id("ana", "ana@v1/answer");
        let path = format!("/n8n/api/v1/workflows/{id}");
        let mut workflow = server.ok("GET", &path, None);
        for node in workflow["nodes"].as_array_mut().unwrap() {
            if node["name"] == "Minutes" {
                assert_eq!(node["parameters"]["minutes"], json!(9_007_199_254_740_992_u64));
                // n8n keeps the double next to it.
                node["parameters"]["minutes"] = json!(9_007_199_254_740_995_u64);
            }
        }
        let map = workflow.as_object_mut().unwrap();
        map.retain(|key, _| ["name", "nodes", "connections", "settings"].contains(&key.as_str()));
        server.ok("PUT", &path, Some(&workflow));
        let plan = space.upa(&["plan", "--detailed-exitcode"]).exits(2);
        assert!(
            plan.stdout.contains("9007199254740996") && plan.stdout.contains("9007199254740992"),
            "{plan}"
        );
        space.apply();
        space.settled();
    });
}
