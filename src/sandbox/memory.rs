//! A store in memory. It can be copied, so that a simulation goes back to a moment.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::store::StoreError;

/// Account, collection, id.
type Key = (String, String, String);
type Table = BTreeMap<Key, Vec<u8>>;

/// Every row there is.
#[derive(Debug, Default)]
pub struct Memory {
    rows: Mutex<Table>,
}

impl Memory {
    /// What there is now, in a store of its own.
    #[must_use]
    pub fn copy(&self) -> Memory {
        Memory {
            rows: Mutex::new(self.change(|rows| rows.clone())),
        }
    }

    pub(super) fn draft(self: &Arc<Self>, writes: bool) -> Draft {
        Draft {
            memory: self.clone(),
            changes: RefCell::default(),
            writes,
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(&mut self.rows.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What one request sees and has written so far. Requests to a store in memory are answered one after the other.
pub(super) struct Draft {
    memory: Arc<Memory>,
    changes: RefCell<BTreeMap<Key, Option<Vec<u8>>>>,
    writes: bool,
}

fn key(account: &str, collection: &str, id: &str) -> Key {
    (account.to_owned(), collection.to_owned(), id.to_owned())
}

impl Draft {
    pub(super) fn get(&self, account: &str, collection: &str, id: &str) -> Option<Vec<u8>> {
        let key = key(account, collection, id);
        match self.changes.borrow().get(&key) {
            Some(changed) => changed.clone(),
            None => self.memory.change(|rows| rows.get(&key).cloned()),
        }
    }

    pub(super) fn scan(&self, account: &str, collection: &str, prefix: &str, most: usize) -> Vec<(String, Vec<u8>)> {
        let from = key(account, collection, prefix);
        let inside = |key: &Key| key.0 == account && key.1 == collection && key.2.starts_with(prefix);
        let mut found: BTreeMap<String, Vec<u8>> = self.memory.change(|rows| {
            let rows = rows.range(from.clone()..).take_while(|(key, _)| inside(key));
            rows.map(|(key, row)| (key.2.clone(), row.clone())).collect()
        });
        let changes = self.changes.borrow();
        for (key, row) in changes.range(from..).take_while(|(key, _)| inside(key)) {
            match row {
                Some(row) => found.insert(key.2.clone(), row.clone()),
                None => found.remove(&key.2),
            };
        }
        found.into_iter().take(most).collect()
    }

    pub(super) fn put(
        &self,
        account: &str,
        collection: &str,
        id: &str,
        row: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        if !self.writes {
            return Err(StoreError::ReadOnly);
        }
        self.changes.borrow_mut().insert(key(account, collection, id), row);
        Ok(())
    }

    pub(super) fn commit(self) {
        self.memory.change(|rows| {
            for (key, row) in self.changes.into_inner() {
                match row {
                    Some(row) => rows.insert(key, row),
                    None => rows.remove(&key),
                };
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::store::Store;
    use crate::secret::Secret;

    #[test]
    fn what_is_not_committed_is_forgotten_and_a_copy_is_of_its_moment() {
        let memory = Arc::new(Memory::default());
        let store = Store::in_memory(memory.clone(), Secret::new("key"));
        let rows = store.write("n8n").unwrap();
        rows.put("thing", "a", &1).unwrap();
        rows.put("thing", "b", &2).unwrap();
        assert_eq!(rows.scan::<i32>("thing", "").unwrap().len(), 2, "it sees what it wrote");
        assert_eq!(store.read("n8n").unwrap().get::<i32>("thing", "a").unwrap(), None);
        rows.commit().unwrap();
        let before = memory.copy();
        let rows = store.write("n8n").unwrap();
        rows.remove("thing", "a").unwrap();
        assert_eq!(rows.first_id("thing").unwrap().as_deref(), Some("b"));
        rows.commit().unwrap();
        drop(store.write("n8n").unwrap().put("thing", "c", &3));
        assert_eq!(store.read("n8n").unwrap().scan::<i32>("thing", "").unwrap().len(), 1);
        assert_eq!(store.read("other").unwrap().scan::<i32>("thing", "").unwrap().len(), 0);
        assert!(store.read("n8n").unwrap().put("thing", "d", &4).is_err());
        let earlier = Store::in_memory(Arc::new(before), Secret::new("key"));
        assert_eq!(earlier.read("n8n").unwrap().get::<i32>("thing", "a").unwrap(), Some(1));
    }
}
