//! Answers in the platform's own form: a success that says so, a failure with message and code where they belong.

use serde_json::{Value, json};

use super::Service;
use super::shape::{bare, place};
use crate::platform::definition::call::Call;
use crate::platform::definition::path;
use crate::sandbox::http::Answer;

/// What platforms say of something that is not there; the first that the definition understands is taken.
const ABSENT: [&str; 6] = [
    "the object was not found",
    "Not Found",
    "the object does not exist",
    "No such object",
    "invalid id",
    "not_found",
];

impl Service {
    /// A refusal that is about the request itself.
    pub(super) fn plain(&self, status: u16, message: &str) -> Answer {
        let mut body = json!({ "statusCode": status });
        let errors = &self.definition.errors;
        place(
            &mut body,
            errors.message.as_deref().unwrap_or("message"),
            Value::from(message),
        );
        if let Some(code) = &errors.code {
            place(&mut body, code, Value::from(status));
        }
        self.let_fail(&mut body);
        Answer::json(status, &body)
    }

    /// A refusal of a call, with the first of the codes the definition has for it, or a status. Where failures stand in
    /// good answers, so does this one.
    pub(super) fn refusal(&self, codes: &[Value], status: u16, message: &str) -> Answer {
        let errors = &self.definition.errors;
        let code = codes.first().cloned().unwrap_or_else(|| Value::from(status));
        let as_status = code.as_u64().and_then(|code| u16::try_from(code).ok());
        let as_status = as_status.filter(|code| (200..600).contains(code));
        // A good status is an answer of its own: what is to be done has been done.
        if let Some(status) = as_status.filter(|status| (200..300).contains(status)) {
            return Answer::json(status, &self.successful(json!({})));
        }
        let is_told = errors.when.is_some() && errors.code.is_some();
        let mut body = json!({});
        place(
            &mut body,
            errors.message.as_deref().unwrap_or("message"),
            Value::from(message),
        );
        if let Some(at) = &errors.code {
            place(&mut body, at, code);
        }
        if is_told {
            self.let_fail(&mut body);
            return Answer::json(200, &body);
        }
        Answer::json(as_status.unwrap_or(status), &body)
    }

    /// An object is not there.
    pub(super) fn missing(&self, call: &Call) -> Answer {
        let errors = &self.definition.errors;
        let said = errors
            .gone
            .as_ref()
            .and_then(|gone| ABSENT.into_iter().find(|text| gone.is_match(text)));
        if let (Some(message), Some(_)) = (said, &errors.when) {
            let mut body = json!({});
            place(
                &mut body,
                errors.message.as_deref().unwrap_or("message"),
                Value::from(message),
            );
            if let Some(at) = &errors.code {
                place(&mut body, at, call.gone.first().cloned().unwrap_or(Value::from(404)));
            }
            self.let_fail(&mut body);
            return Answer::json(200, &body);
        }
        self.refusal(&call.gone, 404, ABSENT[0])
    }

    /// Makes a body say that it is a failure.
    fn let_fail(&self, body: &mut Value) {
        let errors = &self.definition.errors;
        let Some(when) = errors.when.as_ref().filter(|_| !errors.is_failure(body)) else {
            return;
        };
        let value = match (&errors.ok, &errors.bad) {
            (_, Some(bad)) => bad.clone(),
            (Some(ok), None) => other_than(ok),
            (None, None) => Value::from("failed"),
        };
        place(body, when, value);
    }

    /// Makes a body say that it is a success.
    pub(super) fn successful(&self, mut body: Value) -> Value {
        let errors = &self.definition.errors;
        if let (Some(when), Some(ok)) = (&errors.when, &errors.ok)
            && path::at(&body, when) != Some(ok)
            && body.is_object()
        {
            place(&mut body, when, ok.clone());
        }
        body
    }
}

/// A value that is not this one.
pub(super) fn other_than(value: &Value) -> Value {
    match value {
        Value::Bool(value) => Value::Bool(!value),
        Value::Number(number) => Value::from(number.as_i64().unwrap_or_default() + 1),
        other => Value::from(format!("not {}", bare(other))),
    }
}
