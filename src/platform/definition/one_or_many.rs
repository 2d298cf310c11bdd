//! A table where one is enough, and a list of them where there are several.

use schemars::JsonSchema;
use serde::Deserialize;

/// One table or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    One(Box<T>),
    Many(Vec<T>),
}

impl<T: Default> Default for OneOrMany<T> {
    fn default() -> Self {
        OneOrMany::One(Box::default())
    }
}

impl<T> OneOrMany<T> {
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        match self {
            OneOrMany::One(one) => std::slice::from_ref(&**one).iter(),
            OneOrMany::Many(many) => many.iter(),
        }
    }
}
