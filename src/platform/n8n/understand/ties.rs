//! Texts that tie tenants to the instance a workflow was designed on.

use serde_json::Value;

use super::Pass;
use super::designer::Target;
use super::parameters::strings;
use crate::problem::Problem;

impl Pass<'_> {
    /// Refuses a text outside of nodes that ties tenants to the designer's instance.
    pub fn check_text(&mut self, within: &str, key: &str, value: &Value) {
        for text in strings(value) {
            if let Some((why, hint)) = self.tie(&format!("{within}.{key}"), text) {
                let place = self.source.find(text);
                self.refuse(Problem::configuration(why).at(place).hint(hint));
            }
        }
    }

    /// Why a text cannot be given to tenants, and what to write instead.
    pub fn tie(&self, key: &str, text: &str) -> Option<(String, String)> {
        let (_, trace) = self.designer.found_in(text)?;
        let found = &trace.text;
        Some(match &trace.target {
            Target::Address(resource) => (
                format!(
                    "`{key}` holds the address `{found}` of workflow `{resource}`, as it is in the designer's instance"
                ),
                "write `<%= webhooks.….url %>` instead".to_owned(),
            ),
            Target::Workflow(resource) => (
                format!("`{key}` holds the id `{found}` of workflow `{resource}`, as it is in the designer's instance"),
                format!("write `<%= resources.{resource}.id %>` instead"),
            ),
            Target::Credential(name) => (
                format!(
                    "`{key}` holds the id `{found}` of the credential \"{name}\", as it is in the designer's instance"
                ),
                "write `<%= credentials.….id %>` instead".to_owned(),
            ),
            Target::Instance => (
                format!("`{key}` holds `{found}`, which n8n gave to something of the designer's instance"),
                "remove it, or render it from an input: `<%= inputs.… %>`".to_owned(),
            ),
        })
    }
}
