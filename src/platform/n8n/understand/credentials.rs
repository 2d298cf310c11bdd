//! Credentials: every one an export names must be declared by the version, so that each tenant names its own.

use serde_json::{Map, Value, json};

use super::designer::text_of;
use super::{Node, Pass};
use crate::problem::listed;
use crate::template::Path;

impl Pass<'_> {
    /// What stands in place of a node's credentials. Disabled nodes are no exception: they hold ids all the same.
    pub fn credentials(&mut self, node: Node<'_>, credentials: &Value) -> Value {
        let Some(credentials) = credentials.as_object() else {
            self.refuse_node(
                node,
                "its credentials are not written as n8n writes them",
                "export the workflow again",
            );
            return json!({});
        };
        let mut out = Map::new();
        for (kind, chosen) in credentials {
            let (id, name) = match chosen {
                Value::Object(reference) => (
                    reference.get("id").and_then(text_of),
                    reference.get("name").and_then(text_of),
                ),
                other => (None, text_of(other)),
            };
            // The designer has not chosen one yet.
            if id.is_none() && name.is_none() && (chosen.is_null() || chosen.is_object() || chosen == "") {
                continue;
            }
            // Old instances write the id alone.
            let Some(name) = name.or(id) else {
                self.refuse_node(
                    node,
                    format!("its credential of type `{kind}` is not written as n8n writes it"),
                    "choose the credential in n8n and export the workflow again",
                );
                continue;
            };
            let found: Vec<&str> = self
                .templates
                .credentials
                .iter()
                .filter(|(_, slot)| slot.platform == "n8n" && slot.kind == *kind && slot.template_name == name)
                .map(|(slot, _)| slot.as_str())
                .collect();
            match found.as_slice() {
                [slot] => {
                    let reference = json!({
                        "id": Path::expression(&["credentials", slot, "id"]),
                        "name": Path::expression(&["credentials", slot, "name"]),
                    });
                    out.insert(kind.clone(), reference);
                }
                [] => self.undeclared(node, kind, &name),
                several => {
                    let (slots, version_file) = (listed(several.iter().copied()), self.templates.version_file);
                    self.refuse_node(
                        node,
                        format!("it uses the credential \"{name}\" of type `{kind}`, and {version_file} declares that more than once: {slots}"),
                        "keep one of them, or give them names of their own in n8n and export again",
                    );
                }
            }
        }
        Value::Object(out)
    }

    fn undeclared(&mut self, node: Node<'_>, kind: &str, name: &str) {
        let known: Vec<String> = self
            .templates
            .credentials
            .values()
            .filter(|slot| slot.platform == "n8n" && slot.kind == kind)
            .map(|slot| format!("\"{}\"", slot.template_name))
            .collect();
        let version_file = self.templates.version_file;
        let own = (kind.to_owned(), name.to_owned());
        let others = |slot: &str| self.slots.get(slot).is_some_and(|other| *other != own);
        let slot = slot_of(name, |slot| {
            self.templates.credentials.contains_key(slot) || others(slot)
        });
        self.slots.insert(slot.clone(), own);
        let text = |text: &str| toml::Value::from(text).to_string();
        let declared = match known.as_slice() {
            [] => String::new(),
            known => format!(
                "\n(declared of that type: {})",
                listed(known.iter().map(String::as_str))
            ),
        };
        self.refuse_node(
            node,
            format!("it uses the credential \"{name}\" of type `{kind}`, which {version_file} does not declare"),
            format!(
                "declare it there; each tenant then names its own in `[credentials]`:\n[credentials.{slot}]\nplatform = \"n8n\"\ntype = {}\ntemplate_name = {}{declared}",
                text(kind),
                text(name),
            ),
        );
    }
}

/// A name for a credential's slot: its own in lower case with hyphens, as long as that is free.
fn slot_of(name: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let words = name.to_lowercase();
    let words = words.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let slot = match words.join("-") {
        slot if slot.starts_with(|letter: char| letter.is_ascii_lowercase()) => slot,
        slot => format!("credential-{slot}").trim_end_matches('-').to_owned(),
    };
    let mut all = (1..).map(|number| match number {
        1 => slot.clone(),
        number => format!("{slot}-{number}"),
    });
    all.find(|slot| !is_taken(slot)).unwrap_or(slot.clone())
}

#[cfg(test)]
mod tests {
    use super::super::examples::{Version, export, node, with};
    use super::*;

    const HTTP: &str = "n8n-nodes-base.httpRequest";

    fn using(credentials: Value, more: Value) -> Version {
        let parameters = json!({"authentication": "predefinedCredentialType", "nodeCredentialType": "crmApi"});
        let call = with(
            node("Ask \"CRM\" 🤖", HTTP, parameters),
            json!({"credentials": credentials}),
        );
        Version::of([("main", export("Main", "AAAABBBBCCCC0000", vec![with(call, more)]))])
            .credential("crm", "crmApi", "Template · CRM")
            .credential("auth", "httpHeaderAuth", "Template · Auth")
    }

    #[test]
    fn each_becomes_the_tenants_own() {
        let both = json!({
            "crmApi": {"id": "cred0123456789ab", "name": "Template · CRM"}, "httpHeaderAuth": "Template · Auth", "unset": null,
            "unchosen": {"id": null, "name": ""}, "blank": "", "empty": {},
        });
        let expected = json!({
            "crmApi": {"id": "<%= credentials.crm.id %>", "name": "<%= credentials.crm.name %>"},
            "httpHeaderAuth": {"id": "<%= credentials.auth.id %>", "name": "<%= credentials.auth.name %>"},
        });
        for more in [json!({}), json!({"disabled": true})] {
            assert_eq!(
                using(both.clone(), more).node("main", "Ask \"CRM\" 🤖")["credentials"],
                expected
            );
        }
        let without_id = using(json!({"crmApi": {"name": "Template · CRM"}}), json!({}));
        assert_eq!(
            without_id.node("main", "Ask \"CRM\" 🤖")["credentials"]["crmApi"],
            expected["crmApi"]
        );
    }

    #[test]
    fn what_is_not_declared_is_refused() {
        let rows = [
            (
                json!({"crmApi": {"id": "1", "name": "Other"}}),
                "\"Other\" of type `crmApi`",
            ),
            (
                json!({"slackApi": {"id": "1", "name": "Template · CRM"}}),
                "of type `slackApi`",
            ),
            (json!({"crmApi": "Other"}), "\"Other\" of type `crmApi`"),
            (
                json!({"crmApi": {"id": "cred0123456789ab"}}),
                "\"cred0123456789ab\" of type `crmApi`",
            ),
            (json!({"crmApi": true}), "not written as n8n writes it"),
            (json!(["crmApi"]), "not written as n8n writes them"),
            (json!("crmApi"), "not written as n8n writes them"),
        ];
        for (credentials, why) in rows {
            using(credentials.clone(), json!({})).refuses(&["node \"Ask \"CRM\" 🤖\"", why]);
            using(credentials, json!({"disabled": true})).refuses(&[why]);
        }
    }

    /// What the hint says is a table that can be written as it stands.
    #[test]
    fn what_is_to_be_declared_is_said_as_it_is_written() {
        let used =
            |name: &str, credentials: Value| with(node(name, HTTP, json!({})), json!({"credentials": credentials}));
        let nodes = vec![
            used("A", json!({"slackApi": {"id": "1", "name": "Slack \"main\""}})),
            used("B", json!({"slackOAuth2Api": {"id": "2", "name": "Slack main"}})),
            used("C", json!({"slackApi": {"id": "1", "name": "Slack \"main\""}})),
            used("D", json!({"crmApi": {"id": "3", "name": "顧客"}})),
        ];
        let refused = Version::of([("main", export("Main", "AAAABBBBCCCC0000", nodes))]).refused();
        assert_eq!(refused.len(), 3, "{refused:#?}");
        assert!(refused[0].starts_with("nodes \"A\", \"C\":"), "{refused:#?}");
        for (refused, slot) in refused.iter().zip(["slack-main", "slack-main-2", "credential"]) {
            let table = &refused[refused.find("[credentials.").unwrap()..refused.len() - 1];
            let table: toml::Table = table.parse().unwrap_or_else(|why| panic!("{why}: {refused}"));
            assert!(table["credentials"].get(slot).is_some(), "{refused}");
        }
    }

    #[test]
    fn two_declarations_of_one_credential_are_refused() {
        let version = using(json!({"crmApi": {"id": "1", "name": "Template · CRM"}}), json!({}));
        version
            .credential("again", "crmApi", "Template · CRM")
            .refuses(&["more than once", "again, crm"]);
    }

    #[test]
    fn an_id_hidden_in_a_parameter_is_refused() {
        let hidden = node(
            "Code",
            "n8n-nodes-base.code",
            json!({"jsCode": "use('cred0123456789ab')"}),
        );
        let used = with(
            node("Ask", HTTP, json!({})),
            json!({"credentials": {"crmApi": {"id": "cred0123456789ab", "name": "Template · CRM"}}}),
        );
        Version::of([("main", export("Main", "AAAABBBBCCCC0000", vec![hidden, used]))])
            .credential("crm", "crmApi", "Template · CRM")
            .refuses(&["node \"Code\"", "cred0123456789ab", "\"Template · CRM\""]);
    }
}
