//! What n8n would refuse to publish, or would publish and never run, of a workflow that is to run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Node, Pass};
use crate::platform::n8n::publishable;
use crate::problem::did_you_mean;

impl Pass<'_> {
    /// Looks at a workflow as it will be written; what is rendered is looked at again, tenant by tenant.
    pub fn publishing(&mut self, nodes: &[Value], connections: &Value) {
        for node in nodes {
            let found = of(node);
            for (expression, why) in publishable::dead_schedules(node) {
                self.refuse_node(
                    found,
                    format!("n8n never runs the cron expression `{expression}`: {why}"),
                    "five fields: minute, hour, day of the month, month, day of the week; a sixth before them is the second",
                );
            }
        }
        if !self.active {
            return;
        }
        if !nodes.iter().any(publishable::may_start) {
            let version = self.templates.version_file;
            self.refuse_file(
                format!(
                    "n8n publishes no workflow that nothing starts, and {} has no trigger, webhook or schedule",
                    self.resource
                ),
                &format!(
                    "add one in n8n (one that others call has an Execute Workflow Trigger) and export again, or write `active = false` to `[resources.{}]` in {version}",
                    self.resource
                ),
            );
        }
        let mut packages = BTreeSet::new();
        let connected = publishable::connected(connections);
        for node in nodes.iter().filter(|node| publishable::is_looked_at(node, &connected)) {
            let found = of(node);
            for issue in publishable::issues(node) {
                self.refuse_node(
                    found,
                    format!("n8n would not publish it: {issue}"),
                    format!(
                        "fill it in in n8n and export again, or render it from an input; with `active = false` in `[resources.{}]` the workflow is made and not published",
                        self.resource
                    ),
                );
            }
            if let Some((package, _)) = found
                .kind
                .rsplit_once('.')
                .filter(|_| !publishable::is_known(found.kind))
                && packages.insert(package.to_owned())
            {
                self.warn_node(
                    found,
                    format!(
                        "its type `{}` is of the package `{package}`, without which n8n publishes nothing of this",
                        found.kind
                    ),
                    format!(
                        "install `{package}` on the instance (Settings, Community nodes), or write `active = false`"
                    ),
                    "",
                );
            }
        }
    }

    /// A time zone that n8n does not know: what has one is published and never runs.
    pub fn check_timezone(&mut self, written: &Value) {
        let Some(name) = written
            .as_str()
            .filter(|name| !name.contains("<%=") && *name != "DEFAULT")
        else {
            return;
        };
        if publishable::is_timezone(name) {
            return;
        }
        let place = self.source.find(name);
        let why = format!("`settings.timezone` is `{name}`, which is no time zone");
        let problem = crate::problem::Problem::configuration(why).at(place);
        self.refuse(problem.hint(timezone_hint(name)));
    }
}

/// What was probably meant.
pub fn timezone_hint(name: &str) -> String {
    let known = jiff::tz::TimeZoneDatabase::bundled();
    let known: Vec<String> = known.available().map(|zone| zone.to_string()).collect();
    match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(zone) => format!("did you mean `{zone}`?"),
        None => "write it as the IANA does: `Europe/Madrid`".to_owned(),
    }
}

fn of(node: &Value) -> Node<'_> {
    Node {
        name: node["name"].as_str().unwrap_or_default(),
        kind: node["type"].as_str().unwrap_or_default(),
        disabled: node["disabled"] == Value::Bool(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{CALL, Version, WEBHOOK, export, node, with};

    const SET: &str = "n8n-nodes-base.set";
    const HTTP: &str = "n8n-nodes-base.httpRequest";
    const SCHEDULE: &str = "n8n-nodes-base.scheduleTrigger";

    fn running(nodes: Vec<serde_json::Value>) -> Version {
        let mut main = export("Main", "AAAABBBBCCCC0000", nodes);
        main["connections"] = json!({"In": {"main": [[{"node": "Ask", "type": "main", "index": 0}]]}});
        Version::of([("main", main)]).active("main")
    }

    fn hook() -> serde_json::Value {
        node("In", WEBHOOK, json!({"path": "x"}))
    }

    #[test]
    fn what_runs_has_something_that_starts_it() {
        let alone = |node: serde_json::Value| {
            Version::of([("main", export("Main", "AAAABBBBCCCC0000", vec![node]))]).active("main")
        };
        alone(node("A", SET, json!({}))).refuses(&["nothing starts", "active = false"]);
        alone(node("A", "n8n-nodes-base.manualTrigger", json!({}))).refuses(&["nothing starts"]);
        alone(with(hook(), json!({"disabled": true}))).refuses(&["nothing starts"]);
        for kind in [
            "n8n-nodes-base.executeWorkflowTrigger",
            "n8n-nodes-acme.acmeTrigger",
            "n8n-nodes-base.cron",
        ] {
            alone(node("A", kind, json!({}))).ready();
        }
        // What is not published may be anything.
        Version::of([(
            "main",
            export("Main", "AAAABBBBCCCC0000", vec![node("A", SET, json!({}))]),
        )])
        .ready();
    }

    #[test]
    fn what_n8n_needs_to_publish_is_there() {
        running(vec![hook(), node("Ask", HTTP, json!({"url": ""}))])
            .refuses(&["node \"Ask\": n8n would not publish it", "url"]);
        running(vec![hook(), node("Ask", HTTP, json!({"url": "<%= inputs.url %>"}))]).ready();
        // What nothing leads to is not looked at.
        running(vec![hook(), node("Ask", SET, json!({})), node("Lost", HTTP, json!({}))]).ready();
    }

    #[test]
    fn packages_that_n8n_does_not_bring_along_are_named() {
        let foreign = |name: &str| node(name, "n8n-nodes-evolution-api.evolutionApi", json!({}));
        let warnings = running(vec![hook(), foreign("Ask")]).warnings();
        assert!(
            warnings[0].contains("of the package `n8n-nodes-evolution-api`"),
            "{warnings:?}"
        );
    }

    #[test]
    fn schedules_and_time_zones_that_never_run_are_refused() {
        let at = |expression: &str| {
            node(
                "Each",
                SCHEDULE,
                json!({"rule": {"interval": [{"field": "cronExpression", "expression": expression}]}}),
            )
        };
        let alone = |node: serde_json::Value| Version::of([("main", export("Main", "AAAABBBBCCCC0000", vec![node]))]);
        alone(at("0 25 * * *")).refuses(&["node \"Each\"", "`0 25 * * *`", "its hour `25`"]);
        alone(at("0 9 * * 1-5")).ready();
        alone(at("=0 {{ $json.hour }} * * *")).ready();
        alone(at("<%= inputs.cron %>")).ready();
        for (zone, hint) in [("Europe/Madird", "did you mean `Europe/Madrid`?"), ("Spain", "IANA")] {
            let mut main = export("Main", "AAAABBBBCCCC0000", vec![]);
            main["settings"] = json!({"timezone": zone});
            Version::of([("main", main)]).refuses(&["settings.timezone", zone, hint]);
        }
        for zone in ["Europe/Madrid", "US/Eastern", "DEFAULT", "<%= inputs.timezone %>"] {
            let mut main = export("Main", "AAAABBBBCCCC0000", vec![]);
            main["settings"] = json!({"timezone": zone});
            Version::of([("main", main)]).ready();
        }
    }

    /// n8n publishes nothing that calls what is not published.
    #[test]
    fn what_runs_calls_nothing_that_does_not() {
        let call = node("Ask", CALL, json!({"workflowId": "AAAABBBBCCCC0001"}));
        let callee = || {
            export(
                "Callee",
                "AAAABBBBCCCC0001",
                vec![node("Start", "n8n-nodes-base.executeWorkflowTrigger", json!({}))],
            )
        };
        let version = |call: serde_json::Value| {
            Version::of([
                ("main", export("Main", "AAAABBBBCCCC0000", vec![hook(), call])),
                ("callee", callee()),
            ])
        };
        version(call.clone())
            .active("main")
            .refuses(&["node \"Ask\"", "`callee`", "active = true"]);
        version(call.clone()).active("main").active("callee").ready();
        version(call.clone()).active("callee").ready();
        version(with(call, json!({"disabled": true}))).active("main").ready();
    }
}
