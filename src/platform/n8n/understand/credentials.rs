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
            if id.is_none() && name.is_none() && (chosen.is_null() || chosen.is_object()) {
                continue;
            }
            let name = name.unwrap_or_default();
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
                [] => self.undeclared(node, kind, &name, id.as_deref()),
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

    fn undeclared(&mut self, node: Node<'_>, kind: &str, name: &str, id: Option<&str>) {
        let known: Vec<String> = self
            .templates
            .credentials
            .values()
            .filter(|slot| slot.platform == "n8n" && slot.kind == kind)
            .map(|slot| format!("\"{}\"", slot.template_name))
            .collect();
        let version_file = self.templates.version_file;
        if name.is_empty() {
            let id = id.unwrap_or_default();
            return self.refuse_node(
                node,
                format!(
                    "it uses a credential of type `{kind}` without a name (`{id}`), so nothing tells which one is meant"
                ),
                "choose the credential in n8n and export the workflow again",
            );
        }
        self.refuse_node(
            node,
            format!("it uses the credential \"{name}\" of type `{kind}`, which {version_file} does not declare"),
            format!(
                "add a `[credentials.…]` table with type = \"{kind}\" and template_name = \"{name}\" (declared of that type: {})",
                listed(known.iter().map(String::as_str))
            ),
        );
    }
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
            "unchosen": {"id": null, "name": ""},
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
                "without a name (`cred0123456789ab`)",
            ),
            (json!({"crmApi": ""}), "without a name"),
            (json!(["crmApi"]), "not written as n8n writes them"),
            (json!("crmApi"), "not written as n8n writes them"),
        ];
        for (credentials, why) in rows {
            using(credentials.clone(), json!({})).refuses(&["node \"Ask \"CRM\" 🤖\"", why]);
            using(credentials, json!({"disabled": true})).refuses(&[why]);
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
