//! A workflow's settings.

use serde_json::{Map, Value};

use super::Pass;
use super::calls::NoSibling;
use super::designer::text_of;
use crate::platform::n8n::nodes;
use crate::problem::Problem;
use crate::template::{Path, expression};

impl Pass<'_> {
    pub fn settings(&mut self, settings: Option<&Value>) -> Value {
        let mut out = Map::new();
        for (key, value) in settings.and_then(Value::as_object).into_iter().flatten() {
            if nodes::SETTINGS_DROPPED.contains(&&**key) || value.is_null() || value == "" {
                continue;
            }
            if !nodes::SETTINGS_KEYS.contains(&&**key) {
                self.unknown_setting(key);
                continue;
            }
            if let Some(value) = self.setting(key, value) {
                out.insert(key.clone(), value);
            }
        }
        Value::Object(out)
    }

    /// The value of a setting; `None` leaves it out.
    fn setting(&mut self, key: &str, value: &Value) -> Option<Value> {
        match key {
            "errorWorkflow" => {
                let target = value.get("value").unwrap_or(value);
                match text_of(target)?.as_str() {
                    "DEFAULT" => Some(Value::from("DEFAULT")),
                    target => self.error_workflow(target),
                }
            }
            "callerIds" => Some(self.caller_ids(&text_of(value)?)),
            "callerPolicy" if value == "any" => {
                let place = self.source.find("callerPolicy");
                self.warn(
                    Problem::warning(format!(
                        "{}: `callerPolicy` lets every workflow of the instance call it",
                        self.resource
                    ))
                    .at(place)
                    .hint("`workflowsFromAList` with `callerIds` lets only workflows of this version"),
                );
                Some(value.clone())
            }
            // An export of a tenant's own copy carries that tenant's mark.
            "customTelemetryTags" => {
                let foreign = |tag: &&Value| {
                    !tag.get("key")
                        .and_then(Value::as_str)
                        .is_some_and(|key| key.starts_with("upa."))
                };
                let tags: Vec<Value> = value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter(foreign)
                    .cloned()
                    .collect();
                (!tags.is_empty()).then_some(Value::Array(tags))
            }
            _ => {
                if key == "timezone" {
                    self.check_timezone(value);
                }
                self.check_text("settings", key, value);
                Some(value.clone())
            }
        }
    }

    /// An error workflow that is not of the version is no other instance's: there n8n runs none, and so it is in a tenant.
    fn error_workflow(&mut self, target: &str) -> Option<Value> {
        let hint = "add its export to the version as a resource, or choose one of the version's workflows";
        let place = self.source.find(target);
        match self.sibling(target, None) {
            Ok(resource) => {
                let resource = resource.to_owned();
                if resource != self.resource {
                    self.out.calls.insert(resource.clone());
                }
                Some(Value::from(Path::expression(&["resources", &resource, "id"])))
            }
            // Whoever writes an expression means something of the version.
            Err(NoSibling::Unknown) if expression::has_expression(target) => {
                let why = format!("the error workflow `{target}` is no workflow of this version");
                self.refuse(Problem::configuration(why).at(place).hint(hint));
                None
            }
            Err(NoSibling::Unknown) => {
                let why = format!(
                    "{}: its error workflow `{target}` is not part of this version and is left out: nothing tells of failed executions",
                    self.resource
                );
                self.warn(Problem::warning(why).at(place).hint(hint));
                None
            }
            Err(NoSibling::Computed | NoSibling::SameName) => {
                let why = format!("the error workflow `{target}` is none: n8n evaluates nothing in settings");
                self.refuse(Problem::configuration(why).at(place).hint(hint));
                None
            }
            Err(NoSibling::SeveralFiles(files)) => {
                let why = format!(
                    "the error workflow `{target}` is not clear: several files of this version were exported with that id: {files}"
                );
                self.refuse(Problem::configuration(why).at(place).hint(hint));
                None
            }
        }
    }

    /// A comma-separated list of workflow ids that may call this one.
    fn caller_ids(&mut self, text: &str) -> Value {
        let mut ids = Vec::new();
        for target in text.split(',').map(str::trim).filter(|target| !target.is_empty()) {
            match self.sibling(target, None) {
                Ok(resource) => ids.push(Path::expression(&["resources", resource, "id"])),
                Err(_) => {
                    let place = self.source.find(target);
                    self.refuse(
                        Problem::configuration(format!(
                            "`settings.callerIds` names workflow `{target}`, which is not part of this version"
                        ))
                        .at(place)
                        .hint("name only workflows of this version"),
                    );
                }
            }
        }
        Value::from(ids.join(","))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::examples::{Version, export};
    use super::*;

    const ID: &str = "AAAABBBBCCCC0001";

    fn set(settings: Value) -> Version {
        let mut main = export("Main", "AAAABBBBCCCC0000", vec![]);
        main["settings"] = settings;
        Version::of([("main", main), ("errors", export("Errors", ID, vec![]))])
    }

    #[test]
    fn references_are_rewritten_and_a_tenants_mark_is_dropped() {
        let rows = [
            (
                json!({"errorWorkflow": ID}),
                json!({"errorWorkflow": "<%= resources.errors.id %>"}),
            ),
            (
                json!({"errorWorkflow": {"__rl": true, "mode": "list", "value": ID}}),
                json!({"errorWorkflow": "<%= resources.errors.id %>"}),
            ),
            (json!({"errorWorkflow": "DEFAULT"}), json!({"errorWorkflow": "DEFAULT"})),
            (json!({"errorWorkflow": ""}), json!({})),
            (
                json!({"callerIds": format!("{ID}, AAAABBBBCCCC0000")}),
                json!({"callerIds": "<%= resources.errors.id %>,<%= resources.main.id %>"}),
            ),
            (
                json!({"binaryMode": "separate", "timezone": null, "executionOrder": "v1"}),
                json!({"executionOrder": "v1"}),
            ),
            (
                json!({"customTelemetryTags": [{"key": "upa.owner", "value": "upa:x/welcs@v1/main"}, {"key": "team", "value": "a"}]}),
                json!({"customTelemetryTags": [{"key": "team", "value": "a"}]}),
            ),
            (
                json!({"customTelemetryTags": [{"key": "upa.attempt", "value": "x"}]}),
                json!({}),
            ),
        ];
        for (written, expected) in rows {
            assert_eq!(
                set(written.clone()).ready()["main"].template["settings"],
                expected,
                "{written}"
            );
        }
    }

    #[test]
    fn what_points_elsewhere_is_refused() {
        for (written, words) in [
            (
                json!({"errorWorkflow": "<%= resources.erors.id %>"}),
                ["resources.erors.id", "no workflow of this version"],
            ),
            (
                json!({"errorWorkflow": "={{ $env.ERRORS }}"}),
                ["$env.ERRORS", "evaluates nothing"],
            ),
            (
                json!({"callerIds": "ZZZZZZZZZZZZZZZZ"}),
                ["callerIds", "not part of this version"],
            ),
            (
                json!({"timeZone": "UTC"}),
                ["settings.timeZone", "did you mean `timezone`?"],
            ),
            (
                json!({"saveDataErrorExecution": ID}),
                ["settings.saveDataErrorExecution", ID],
            ),
        ] {
            set(written).refuses(&words);
        }
        for unknown in [json!("ZZZZZZZZZZZZZZZZ"), json!(12)] {
            let left_out = set(json!({"errorWorkflow": unknown}));
            assert_eq!(left_out.ready()["main"].template["settings"], json!({}));
            let warnings = left_out.warnings();
            assert!(
                warnings[0].contains("not part of this version and is left out"),
                "{warnings:?}"
            );
        }
        assert_eq!(
            set(json!({"callerPolicy": ""})).ready()["main"].template["settings"],
            json!({})
        );
        assert!(set(json!({"callerPolicy": "any"})).warnings()[0].contains("every workflow of the instance"));
    }
}
