//! What else is on the platform: credentials that must exist, copies made by hand, and others who listen at our paths.

use serde_json::Value;

use super::Pass;
use crate::desired::Resource;
use crate::platform::{Activity, Reading, Step};
use crate::problem::{Class, Problem, listed};
use crate::resource::Address;
use crate::symbol::{self, Symbol, Unknown};

impl<'a> Pass<'a> {
    /// Every credential it names must be exactly one.
    pub(super) fn check_credentials(&mut self, resource: &Resource) {
        for symbol in symbol::symbols(&resource.document) {
            let Symbol::Credential { account, name, kind } = &symbol else {
                continue;
            };
            if self
                .basis
                .observed
                .accounts
                .get(account)
                .is_none_or(|answer| answer.failure.is_some())
            {
                self.out.failed_accounts.insert(account.clone());
                self.account_failed(&account.clone());
                continue;
            }
            let found = self.values.matching(account, name, kind);
            if found.len() == 1 {
                continue;
            }
            let same_type: Vec<String> = self
                .values
                .credentials
                .get(account.as_str())
                .copied()
                .unwrap_or_default()
                .iter()
                .filter(|credential| credential.kind == *kind)
                .map(|credential| format!("\"{}\" ({})", credential.name, credential.id))
                .collect();
            let what = if found.is_empty() {
                "there is no".to_owned()
            } else {
                format!("{} are called", found.len())
            };
            let message = if found.is_empty() {
                format!("account `{account}`: {what} credential \"{name}\" of type `{kind}`")
            } else {
                let ids = listed(found.iter().map(|credential| credential.id.as_str()));
                format!("account `{account}`: {what} \"{name}\" (type `{kind}`): {ids}")
            };
            let hint = if same_type.is_empty() {
                format!("create it there: the account has no credential of type `{kind}` that this key sees")
            } else {
                let candidates = listed(same_type.iter().map(String::as_str));
                format!("create it there, or name one of those of this type: {candidates}")
            };
            let place = self.tenant.credentials.get(name).unwrap_or(&self.tenant.place).clone();
            let problem = Problem::configuration(message)
                .tenant(&*self.tenant.name)
                .at(place)
                .hint(hint);
            if !self.out.problems.iter().any(|known| known.repeats(&problem)) {
                self.refuse(problem);
            }
        }
    }

    /// Copies made by hand carry the mark too. They are reported and left alone.
    pub(super) fn warn_about_copies(&mut self, address: &Address, account: &str, reading: &Reading) {
        let Reading::Present(ours) = reading else { return };
        let mark = address.mark(self.basis.workspace);
        let others = self
            .marked
            .get(&(account, mark.as_str()))
            .map(Vec::as_slice)
            .unwrap_or_default();
        for copy in others.iter().filter(|object| object.id != ours.id) {
            let runs = if copy.activity == Activity::Running {
                ", and it runs"
            } else {
                ""
            };
            self.refuse(
                Problem::warning(format!(
                    "\"{}\" ({}) in account `{account}` carries the mark of {address} and is not the recorded object ({}): probably a copy made by hand{runs}",
                    copy.title, copy.id, ours.id
                ))
                .hint("upa does not touch it: delete it there, or remove its telemetry tag `upa.owner`"),
            );
        }
    }

    /// Nobody else may listen where this tenant will.
    pub(super) fn check_listeners(&mut self) {
        let mut problems = Vec::new();
        for change in self
            .out
            .changes
            .iter()
            .filter(|change| change.steps.contains(&Step::Publish))
        {
            let listeners = self
                .basis
                .observed
                .accounts
                .get(&change.account)
                .map(|answer| answer.listeners.as_slice());
            for entry in change.work.entries.iter().filter(|entry| entry.exclusive) {
                let path = symbol::resolve(
                    &Value::from(&*entry.path),
                    &|symbol| self.values.of(symbol),
                    Unknown::Keep,
                );
                let taken = listeners.unwrap_or_default().iter().find(|listener| {
                    path == *listener.path
                        && entry.method.split(',').any(|method| method == listener.method)
                        && Some(&listener.object) != change.id.as_ref()
                });
                if let Some(taken) = taken {
                    problems.push(
                        Problem::error(
                            Class::Decision,
                            format!(
                                "{}: \"{}\" ({}) in account `{}` listens at its webhook `{}` already, so calls would reach the wrong workflow",
                                change.address, taken.title, taken.object, change.account, entry.name
                            ),
                        )
                        .hint("unpublish that workflow; if it is a copy made by hand, delete it"),
                    );
                }
            }
        }
        self.out.problems.extend(problems);
    }
}
