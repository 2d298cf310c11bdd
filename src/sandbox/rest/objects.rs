//! What is done to objects: create, read, update, delete, mark.

use serde_json::{Map, Value, json};

use super::Service;
use super::outputs;
use super::parts::{parts_get_ids, strange_part};
use super::route::{Matched, is_same};
use super::said::{self, Said};
use super::shape::{lay, place, place_list};
use super::stored::{self, Stored, Version};
use crate::outside;
use crate::platform::definition::call::Call;
use crate::platform::definition::kind::Marker;
use crate::platform::definition::placeholder::{Root, Scope, Text};
use crate::platform::definition::{KindDefinition, object, path};
use crate::sandbox::clock::Moment;
use crate::sandbox::faults::Twist;
use crate::sandbox::http::{Answer, Request};
use crate::sandbox::store::{Rows, StoreError};

/// Fields platforms set by themselves.
const TIMES: [&str; 2] = ["createdAt", "updatedAt"];
/// Whose everything in the sandbox is.
pub(super) const OWNER: &str = "sandbox";
/// Where answers to idempotency keys are kept; no kind is called like this.
const ANSWERED: &str = "/answered";
/// Where the last time is kept that was told.
const CLOCK: &str = "/clock";
/// Where operations are kept that a creation started.
pub(super) const OPERATIONS: &str = "/operations";

impl Service {
    pub(super) fn create(
        &self,
        kind: &KindDefinition,
        matched: &Matched<'_>,
        request: &Request,
    ) -> Result<Answer, StoreError> {
        let (call, said) = (matched.route.call, &matched.said);
        let rows = self.store.write(&self.account)?;
        let remembered = call.idempotency.as_ref().and_then(|name| request.header(name));
        if let Some(key) = remembered
            && let Some(answer) = rows.get::<Value>(ANSWERED, &format!("{}/{key}", kind.name))?
        {
            return Ok(Answer::json(200, &answer));
        }
        if let Some(field) = self.server_set(kind, &said.spec) {
            return Ok(self.plain(400, &format!("property {field} should not exist")));
        }
        let spec = Value::Object(said.spec.clone());
        let scope = Scope {
            spec: Some(&spec),
            owner: said.owner.as_deref().unwrap_or_default(),
            inputs: said.inputs.clone(),
            ..Scope::default()
        };
        // A key that is not made of the document is what the request says it is.
        let is_ours = |key: &&Text| key.holes().all(|hole| matches!(hole.root, Root::Spec | Root::Input(_)));
        let key = kind
            .key
            .as_ref()
            .filter(is_ours)
            .and_then(|key| key.text(&scope).ok().flatten());
        let key = key.or_else(|| said.id.clone().filter(|_| kind.key.is_some()));
        if key.is_some() && said.id.is_some() && key != said.id {
            return Ok(self.plain(400, "the id in the path is not the object's"));
        }
        let upserts = kind.one || kind.update.as_ref().is_some_and(|update| is_same(Some(call), update));
        let own = match &key {
            _ if kind.one => String::new(),
            Some(key) => key.clone(),
            None => outside::random_id().to_string(),
        };
        let mut named = Said::placed(&said.inputs);
        named.id = Some(own.clone());
        let there = stored::find(&rows, kind, &named)?.filter(|stored| stored.now.is_some());
        let twin = match call.exists.is_empty() {
            true => false,
            false => self.has_twin(&rows, kind, said, &scope)?,
        };
        if (there.is_some() && !upserts) || twin {
            return Ok(self.refusal(&call.exists, 409, "it exists already"));
        }
        let is_new = there.is_none();
        let mut stored = there.unwrap_or_else(|| Stored {
            own,
            inputs: said.inputs.clone(),
            now: None,
            before: None,
            born: Moment::now().0,
            looks: 0,
            told: Default::default(),
        });
        let mut version = stored.now.clone().unwrap_or_default();
        if is_new || kind.one {
            stored.looks = 0;
            let earlier = std::mem::take(&mut version.spec);
            self.written(kind, call, said, &mut version);
            if kind.one && call.method != "PUT" {
                version.spec = earlier.into_iter().chain(version.spec).collect();
            }
            if !kind.one {
                self.set_by_server(&rows, kind, &stored, &mut version)?;
            }
        } else {
            self.written(kind, call, said, &mut version);
        }
        version.spec.retain(|_, value| !value.is_null());
        parts_get_ids(kind, &mut version.spec, &Map::new());
        self.mark_placed(kind, said, &mut version);
        stored.write(Some(version));
        outputs::of_creation(kind, &mut stored);
        stored.keep(&rows, kind)?;
        let answer = self.created(&rows, kind, call, &stored)?;
        if let Some(key) = remembered {
            rows.put(ANSWERED, &format!("{}/{key}", kind.name), &answer)?;
        }
        rows.commit()?;
        Ok(Answer::json(
            if call.method == "POST" && call.graphql.is_none() && is_new {
                201
            } else {
                200
            },
            &answer,
        ))
    }

    /// The answer of a creation: the object, what only now is told, and operations to wait for.
    fn created(&self, rows: &Rows, kind: &KindDefinition, call: &Call, stored: &Stored) -> Result<Value, StoreError> {
        let mut object = stored.shown(kind, false).unwrap_or_default();
        let mut answer = json!({});
        for (name, value) in &stored.told {
            let Some(out) = kind.out.get(name) else { continue };
            match out
                .at
                .strip_prefix(call.live.as_str())
                .and_then(|rest| rest.strip_prefix('.'))
            {
                Some(below) if !call.live.is_empty() => place(&mut object, below, value.clone()),
                _ => place(&mut object, &out.at, value.clone()),
            }
        }
        if let Some(search) = &kind.id_search {
            let said = Said::placed(&stored.inputs);
            let siblings = stored::all(rows, kind, &said)?;
            let shown = siblings
                .iter()
                .filter_map(|sibling| sibling.shown(kind, false))
                .collect();
            place_list(&mut answer, &search.items, shown);
        } else if kind.id.is_empty() {
            place(&mut answer, &call.live, Value::from(&*stored.own));
        } else if call.live.is_empty() {
            answer = object;
        } else {
            place(&mut answer, &call.live, object);
        }
        if let Some(wait) = &kind.wait
            && let (Some(each), Some(call)) = (&wait.each, &wait.call)
        {
            let mut operations = Vec::new();
            for _ in 0..2 {
                let mut operation = json!({});
                let holes = call.holes();
                let named = holes.iter().filter(|hole| hole.root == Root::Item);
                for hole in named {
                    place(
                        &mut operation,
                        &hole.path,
                        Value::from(outside::random_id().to_string()),
                    );
                }
                rows.put(OPERATIONS, &operation_key(kind, &operation), &0_u32)?;
                operations.push(operation);
            }
            place_list(&mut answer, each, operations);
        }
        Ok(self.successful(answer))
    }

    /// Whether something with the same natural key is there.
    fn has_twin(&self, rows: &Rows, kind: &KindDefinition, said: &Said, scope: &Scope<'_>) -> Result<bool, StoreError> {
        let placed = Said::placed(&said.inputs);
        let objects = stored::all(rows, kind, &placed)?;
        let objects: Vec<Value> = objects.iter().filter_map(|stored| stored.shown(kind, false)).collect();
        Ok([&kind.find, &kind.clash].into_iter().flatten().any(|list| {
            let keys: Vec<(String, Value)> = list
                .conditions
                .iter()
                .filter_map(|(at, text)| Some((at.clone(), text.value(scope).ok().flatten()?)))
                .collect();
            let natural = list.conditions.iter().all(|(_, text)| {
                let mut holes = text.holes();
                holes.all(|hole| hole.root == Root::Spec)
            });
            let meets = |object: &Value| keys.iter().all(|(at, value)| path::all(object, at).contains(&value));
            natural && !keys.is_empty() && objects.iter().any(meets)
        }))
    }

    /// A field of a request that only the platform may set.
    fn server_set(&self, kind: &KindDefinition, spec: &Map<String, Value>) -> Option<String> {
        let id = (kind.key.is_none() && !kind.one && !kind.id.contains('.')).then_some(kind.id.as_str());
        let owner = self.definition.owner.as_deref();
        let mut fields = id.into_iter().chain(TIMES).chain(owner);
        fields.find(|field| spec.contains_key(*field)).map(str::to_owned)
    }

    /// What the platform sets in a new object.
    pub(super) fn set_by_server(
        &self,
        rows: &Rows,
        kind: &KindDefinition,
        stored: &Stored,
        version: &mut Version,
    ) -> Result<(), StoreError> {
        let now = self.now(rows)?;
        if !version.server.is_object() {
            version.server = json!({});
        }
        for time in TIMES {
            place(&mut version.server, time, Value::from(&*now));
        }
        if let Some(owner) = &self.definition.owner {
            place(&mut version.server, owner, Value::from(OWNER));
        }
        for list in [&kind.find, &kind.clash, &kind.list].into_iter().flatten() {
            if let Some(crate::platform::definition::call::Next::After { after, .. }) = &list.next
                && *after != kind.id
            {
                place(&mut version.server, after, Value::from(&*now));
            }
        }
        if !kind.id.is_empty() {
            place(&mut version.server, &kind.id, Value::from(&*stored.own));
        }
        outputs::of_object(kind, stored, version);
        Ok(())
    }

    /// A mark placed by hand in the body of a creation.
    fn mark_placed(&self, kind: &KindDefinition, said: &Said, version: &mut Version) {
        let Some(Marker::Placed { value, at }) = &kind.marker else {
            return;
        };
        let mut placed = Said::default();
        let whole = said
            .marker
            .as_ref()
            .filter(|marker| placed.body(value, marker, "").is_ok());
        let Some(owner) = whole.and(placed.owner.as_ref()).or(said.owner.as_ref()) else {
            return;
        };
        if !path::all(&Value::Object(version.spec.clone()), at).contains(&&Value::from(&**owner)) {
            place(&mut version.server, at, Value::from(&**owner));
        }
    }

    /// Writes what a request says into the contents of an object.
    fn written(&self, kind: &KindDefinition, call: &Call, said: &Said, version: &mut Version) {
        let template = call.body.clone().unwrap_or_default();
        let usual = kind
            .create
            .as_ref()
            .and_then(|create| create.body.as_ref())
            .map(said::root);
        let mut fields = said.spec.clone();
        let mut beside = Value::Object(said.beside(&usual.unwrap_or_default()));
        lay(&mut beside, Value::Object(std::mem::take(&mut fields)), false);
        if let Value::Object(map) = beside {
            fields = map;
        }
        // Inputs place the object and are no part of it; an id is the platform's.
        fields.retain(|name, _| !kind.inputs.contains(name) && *name != kind.id || kind.key.is_some());
        if call.method == "PUT" {
            if said::is_whole(&template) {
                // What the call never sends is not replaced.
                version.spec.retain(|name, _| call.drop.contains(name));
            }
            version.spec.retain(|name, _| !said::named(&template).contains(name));
        }
        let earlier = version.spec.clone();
        parts_get_ids(kind, &mut fields, &earlier);
        for (name, value) in fields {
            if value.is_null() {
                version.spec.remove(&name);
            } else {
                version.spec.insert(name, value);
            }
        }
    }

    pub(super) fn read(
        &self,
        kind: &KindDefinition,
        matched: &Matched<'_>,
        twist: Option<&Twist>,
    ) -> Result<Answer, StoreError> {
        let call = matched.route.call;
        let waits = kind.wait.as_ref().is_some_and(|wait| wait.call.is_none());
        let rows = if waits {
            self.store.write(&self.account)?
        } else {
            self.store.read(&self.account)?
        };
        let Some(mut stored) = stored::find(&rows, kind, &matched.said)? else {
            return Ok(self.missing(call));
        };
        if waits {
            stored.looks += 1;
            stored.keep(&rows, kind)?;
        }
        let vanished = twist.is_some_and(|twist| twist.hides(&stored.own, false));
        let object = stored
            .shown(kind, matches!(twist, Some(Twist::Stale)))
            .filter(|_| !vanished);
        rows.commit()?;
        Ok(match object {
            Some(object) => self.with_object(200, call, object),
            None => self.missing(call),
        })
    }

    /// An answer that holds an object where the call says.
    pub(super) fn with_object(&self, status: u16, call: &Call, object: Value) -> Answer {
        let mut answer = json!({});
        if call.live.is_empty() {
            answer = object;
        } else {
            place(&mut answer, &call.live, object);
        }
        Answer::json(status, &self.successful(answer))
    }

    pub(super) fn update(&self, kind: &KindDefinition, matched: &Matched<'_>) -> Result<Answer, StoreError> {
        let (call, said) = (matched.route.call, &matched.said);
        let rows = self.store.write(&self.account)?;
        let Some(mut stored) = stored::find(&rows, kind, said)?.filter(|stored| stored.now.is_some()) else {
            return Ok(self.missing(call));
        };
        if let Some(field) = self.server_set(kind, &said.spec) {
            return Ok(self.plain(400, &format!("property {field} should not exist")));
        }
        let mut version = stored.now.clone().unwrap_or_default();
        if let Some(field) = strange_part(kind, &said.spec, &version.spec) {
            return Ok(self.plain(400, &format!("`{field}` names a part that does not exist")));
        }
        self.written(kind, call, said, &mut version);
        self.touch(&rows, kind, &mut version)?;
        let object = self.rewrite(&rows, kind, &mut stored, Some(version))?;
        rows.commit()?;
        Ok(self.with_object(200, call, object))
    }

    fn touch(&self, rows: &Rows, kind: &KindDefinition, version: &mut Version) -> Result<(), StoreError> {
        if !kind.one && version.server.is_object() {
            place(&mut version.server, "updatedAt", Value::from(self.now(rows)?));
        }
        Ok(())
    }

    pub(super) fn rewrite(
        &self,
        rows: &Rows,
        kind: &KindDefinition,
        stored: &mut Stored,
        version: Option<Version>,
    ) -> Result<Value, StoreError> {
        stored.write(version);
        stored.keep(rows, kind)?;
        Ok(stored.shown(kind, false).unwrap_or_default())
    }

    pub(super) fn delete(&self, kind: &KindDefinition, matched: &Matched<'_>) -> Result<Answer, StoreError> {
        let (call, said) = (matched.route.call, &matched.said);
        let rows = self.store.write(&self.account)?;
        let Some(mut stored) = stored::find(&rows, kind, said)?.filter(|stored| stored.now.is_some()) else {
            return Ok(self.missing(call));
        };
        let last = stored.shown(kind, false).unwrap_or_default();
        let mut version = stored.now.clone().unwrap_or_default();
        let next = if call.method == "DELETE" {
            kind.one.then(Version::default)
        } else {
            self.written(kind, call, said, &mut version);
            match &kind.gone {
                Some(gone) => {
                    if !object::is_gone(kind, &Value::Object(version.spec.clone())) {
                        let mut spec = Value::Object(version.spec);
                        place(&mut spec, &gone.at, gone.is.clone());
                        version.spec = spec.as_object().cloned().unwrap_or_default();
                    }
                    Some(version)
                }
                None => kind.one.then_some(version),
            }
        };
        self.rewrite(&rows, kind, &mut stored, next)?;
        rows.commit()?;
        Ok(self.with_object(200, call, last))
    }

    /// A second call brings the mark.
    pub(super) fn mark(&self, kind: &KindDefinition, matched: &Matched<'_>) -> Result<Answer, StoreError> {
        let (call, said) = (matched.route.call, &matched.said);
        let rows = self.store.write(&self.account)?;
        let Some(mut stored) = stored::find(&rows, kind, said)?.filter(|stored| stored.now.is_some()) else {
            return Ok(self.missing(call));
        };
        if let (Some(Marker::Call { at, .. }), Some(owner)) = (&kind.marker, &said.owner) {
            let mut version = stored.now.clone().unwrap_or_default();
            place(&mut version.server, at, Value::from(&**owner));
            self.rewrite(&rows, kind, &mut stored, Some(version))?;
            rows.commit()?;
        }
        Ok(Answer::json(200, &self.successful(json!({}))))
    }

    /// A time that never repeats, so that paging by time is exact.
    fn now(&self, rows: &Rows) -> Result<String, StoreError> {
        let last = rows.get::<i64>(CLOCK, "last")?.unwrap_or_default();
        let now = Moment(Moment::now().0.max(last.saturating_add(1)));
        rows.put(CLOCK, "last", &now.0)?;
        Ok(now.to_string())
    }
}

/// The row of an operation.
pub(super) fn operation_key(kind: &KindDefinition, operation: &Value) -> String {
    format!("{} {operation}", kind.name)
}
