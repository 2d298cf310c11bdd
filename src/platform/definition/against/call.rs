//! One call held against a contract: is it there, does it take what is sent, what does it answer.

use super::super::KindDefinition;
use super::super::call::Call;
use super::super::file::Encoding;
use super::super::placeholder::{Hole, Text};
use super::{Answer, Look, near, sends};
use crate::platform::contract::{self, Contract, NoOperation, Operation, Rest, Sent};
use crate::problem::{Problem, listed};

impl<'a> Look<'a> {
    /// Looks at one call; what it answers, if the contract has it. `paging`: parameters that are added page by page.
    pub(super) fn call(
        &mut self,
        kind: Option<&KindDefinition>,
        call: &Call,
        paging: &[&str],
        creates: bool,
    ) -> Option<Answer<'a>> {
        let sent = match kind {
            Some(kind) => sends::body(kind, call, creates),
            None => None,
        };
        match (self.contract, &call.graphql) {
            (Contract::Graphql(graphql), Some(text)) => match graphql.read(text) {
                Ok(document) => {
                    let mut variables = match sent {
                        Some(Sent::Object { fields, .. }) => fields,
                        _ => Default::default(),
                    };
                    variables.extend(paging.iter().map(|name| ((*name).to_owned(), Sent::Any)));
                    for fault in document.faults(&variables) {
                        self.error(&format!("{}/vars", call.pointer), fault.to_string(), None);
                    }
                    Some(Answer::Graphql(Box::new(document)))
                }
                Err(mistakes) => {
                    for mistake in mistakes {
                        let line = match (mistake.line, text.lines().count()) {
                            (0, _) | (_, 0 | 1) => String::new(),
                            (line, _) => format!(" (line {line} of the document)"),
                        };
                        self.error(
                            &format!("{}/gql", call.pointer),
                            format!("{}{line}", mistake.message),
                            None,
                        );
                    }
                    None
                }
            },
            (Contract::Rest(rest), None) => self.rest(rest, call, paging, sent.as_ref()),
            (Contract::Rest(_), Some(_)) => {
                self.error(
                    &call.pointer,
                    "this is a GraphQL call, and the contract is an OpenAPI description".to_owned(),
                    None,
                );
                None
            }
            (Contract::Graphql(_), None) => {
                self.error(
                    &call.pointer,
                    "the contract is a GraphQL schema, and this call is not GraphQL".to_owned(),
                    None,
                );
                None
            }
        }
    }

    fn rest(&mut self, rest: &'a Rest, call: &Call, paging: &[&str], sent: Option<&Sent>) -> Option<Answer<'a>> {
        let path = self.address(call);
        let operation = match rest.operation(&call.method, &path) {
            Ok(operation) => operation,
            Err(unknown) => {
                let shown = written(&call.path);
                let (message, hint) = match &unknown {
                    NoOperation::Path { nearest, .. } => (
                        format!("the contract has no path `{shown}`"),
                        nearest.as_ref().map(|near| format!("did you mean `{near}`?")),
                    ),
                    NoOperation::Method { methods, .. } => (
                        format!("the contract has no `{} {shown}`", call.method),
                        Some(format!("it has {}", listed(methods.iter().map(String::as_str)))),
                    ),
                };
                self.error(&call.pointer, message, hint);
                return None;
            }
        };
        self.parameters(call, &operation, paging);
        let encoding = match self.definition.encode {
            Encoding::Json => contract::Encoding::Json,
            Encoding::Form => contract::Encoding::Form,
        };
        match (sent, operation.body(encoding)) {
            (Some(sent), Some(schema)) => {
                for fault in schema.faults(sent, encoding == contract::Encoding::Form) {
                    self.error(&call.pointer, fault.to_string(), None);
                }
            }
            (Some(_), None) if operation.encodings().is_empty() => {
                let hint = "write it as a table with `nobody = true`".to_owned();
                self.error(
                    &call.pointer,
                    format!("the contract takes no body for `{}`", call.name()),
                    Some(hint),
                );
            }
            (Some(_), None) => {
                let message = format!("the contract does not take `{}` in this encoding", call.name());
                self.error(
                    &call.pointer,
                    message,
                    Some("say with `http = { encode = … }` how bodies are written".to_owned()),
                );
            }
            (None, _) if operation.body_required() => {
                let hint = "add `body = …`".to_owned();
                self.error(
                    &call.pointer,
                    format!("the contract demands a body for `{}`", call.name()),
                    Some(hint),
                );
            }
            (None, _) => {}
        }
        if operation.deprecated() {
            let warning = Problem::warning(format!("the contract calls `{}` deprecated", call.name()));
            self.add(warning, &call.pointer, None);
        }
        Some(Answer::Rest(operation.answer()))
    }

    /// Query and headers.
    fn parameters(&mut self, call: &Call, operation: &Operation<'_>, paging: &[&str]) {
        let sent: Vec<&str> = call
            .query
            .iter()
            .map(|(name, _)| name.as_str())
            .chain(paging.iter().copied())
            .collect();
        let known = operation.query();
        for name in &sent {
            if operation.query_parameter(name).is_none() {
                let hint = near(
                    name,
                    &known.iter().map(|known| known.name.to_owned()).collect::<Vec<_>>(),
                );
                let message = format!("the contract's `{}` has no query parameter `{name}`", call.name());
                self.error(&call.pointer, message, hint);
            }
        }
        let stem = |name: &str| name.split('[').next().unwrap_or_default().to_owned();
        for parameter in known.iter().filter(|parameter| parameter.required) {
            if !sent.iter().any(|name| stem(name) == stem(parameter.name)) {
                let message = format!(
                    "the contract demands the query parameter `{}` for `{}`",
                    parameter.name,
                    call.name()
                );
                self.error(
                    &call.pointer,
                    message,
                    Some(format!("add `?{}=…` to the path", parameter.name)),
                );
            }
        }
        let ways = self.definition.auth.iter().flat_map(|auth| &auth.headers);
        let headers: Vec<&String> = self
            .definition
            .headers
            .iter()
            .chain(ways)
            .map(|(name, _)| name)
            .chain(&call.idempotency)
            .collect();
        for header in operation.required_headers() {
            if !headers.iter().any(|sent| sent.eq_ignore_ascii_case(header)) {
                let message = format!("the contract demands the header `{header}` for `{}`", call.name());
                self.error(
                    &call.pointer,
                    message,
                    Some(format!("add `http = {{ headers = {{ {header} = \"…\" }} }}`")),
                );
            }
        }
    }

    /// The body the contract takes for a call, if it is one.
    pub(super) fn body_of(&self, call: &Call) -> Option<contract::Schema<'a>> {
        let Contract::Rest(rest) = self.contract else {
            return None;
        };
        let encoding = match self.definition.encode {
            Encoding::Json => contract::Encoding::Json,
            Encoding::Form => contract::Encoding::Form,
        };
        rest.operation(&call.method, &self.address(call)).ok()?.body(encoding)
    }

    /// The whole address, as far as the definition knows it.
    fn address(&self, call: &Call) -> String {
        let base = match &call.host {
            Some(host) => self.definition.hosts.get(host).map(String::as_str),
            None => self.definition.usual_base.as_deref(),
        };
        format!(
            "{}{}",
            base.unwrap_or_default().trim_end_matches('/'),
            written(&call.path)
        )
    }
}

/// A path as the file has it.
fn written(path: &Text) -> String {
    let part = |part: Result<&str, &Hole>| match part {
        Ok(text) => text.replace('{', "{{"),
        Err(hole) => format!("{{{}}}", hole.name()),
    };
    path.parts().map(part).collect()
}
