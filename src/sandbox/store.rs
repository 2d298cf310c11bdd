//! The store: one redb file, one table, a row of JSON bytes per (account, collection, id). Or the same in memory, for a
//! sandbox inside a simulation.
//!
//! A request works in one transaction ([`Rows`]), so what it writes appears at once or not at all, and everything a
//! request was told is on disk before it is told: the sandbox lives inside the process that is tested by killing it.

use std::path::Path;
use std::sync::Arc;

use super::key;
use super::memory::Draft;
use super::memory::Memory;
use crate::secret::Secret;

use redb::Database;
use redb::DatabaseError;
use redb::ReadTransaction;
use redb::ReadableDatabase;
use redb::ReadableTable;
use redb::TableDefinition;
use redb::WriteTransaction;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

type Key = (&'static str, &'static str, &'static str);

const ROWS: TableDefinition<Key, &[u8]> = TableDefinition::new("rows");

/// redb's default cache is 1 GiB; a sandbox holds a few megabytes.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the store is open in another process")]
    InUse,
    #[error("the store failed: {0}")]
    Redb(#[from] redb::Error),
    #[error("its key cannot be read: {0}")]
    Key(#[source] std::io::Error),
    #[error("the store holds a row that cannot be read: {0}")]
    Row(#[from] serde_json::Error),
    #[error("bug: a request that may only read tried to write")]
    ReadOnly,
}

/// redb has one error type per kind of call; all of them fit into [`redb::Error`].
fn redb(error: impl Into<redb::Error>) -> StoreError {
    StoreError::Redb(error.into())
}

#[derive(Debug)]
pub struct Store {
    kept: Kept,
    key: Secret,
    /// Dropped after the file was closed: fields are dropped in their order.
    _closed: Option<oneshot::Sender<()>>,
}

/// Ends when a store is closed: connections hold it a moment longer than the server that made them.
pub type Closed = oneshot::Receiver<()>;

#[derive(Debug)]
enum Kept {
    File(Database),
    Memory(Arc<Memory>),
}

impl Store {
    pub fn open(path: &Path) -> Result<(Store, Closed), StoreError> {
        if !path.exists() {
            make(path)?;
        }
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create(path)
            .map_err(|error| match error {
                DatabaseError::DatabaseAlreadyOpen => StoreError::InUse,
                other => redb(other),
            })?;
        // A table exists only after a first write, and reading must not have to ask.
        let first = database.begin_write().map_err(redb)?;
        first.open_table(ROWS).map_err(redb)?;
        first.commit().map_err(redb)?;
        let key = key::read_or_make(path).map_err(StoreError::Key)?;
        let (sender, closed) = oneshot::channel();
        let store = Store {
            kept: Kept::File(database),
            key,
            _closed: Some(sender),
        };
        Ok((store, closed))
    }

    /// A store that ends with the process.
    pub fn in_memory(memory: Arc<Memory>, key: Secret) -> Store {
        Store {
            kept: Kept::Memory(memory),
            key,
            _closed: None,
        }
    }

    /// The key that opens everything in it.
    pub fn key(&self) -> &Secret {
        &self.key
    }

    /// Answers a request: where the store waits for a disk, and a list of a few megabytes takes its time, on a thread that
    /// may wait. `None` when that panicked.
    pub async fn answer<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match self.kept {
            Kept::File(_) => tokio::task::spawn_blocking(work).await.ok(),
            Kept::Memory(_) => Some(work()),
        }
    }

    pub fn read(&self, account: &str) -> Result<Rows, StoreError> {
        let transaction = match &self.kept {
            Kept::File(database) => Transaction::Read(database.begin_read().map_err(redb)?),
            Kept::Memory(memory) => Transaction::Memory(memory.draft(false)),
        };
        Ok(Rows {
            transaction,
            account: account.to_owned(),
        })
    }

    /// Waits until no other request writes.
    pub fn write(&self, account: &str) -> Result<Rows, StoreError> {
        let transaction = match &self.kept {
            Kept::File(database) => Transaction::Write(Box::new(database.begin_write().map_err(redb)?)),
            Kept::Memory(memory) => Transaction::Memory(memory.draft(true)),
        };
        Ok(Rows {
            transaction,
            account: account.to_owned(),
        })
    }
}

/// A store appears whole or not at all: whoever is killed while making one leaves nothing that cannot be opened.
fn make(path: &Path) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let io = |error: std::io::Error| redb(redb::StorageError::Io(error));
    let file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    drop(Database::builder().create(file.path()).map_err(redb)?);
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // Somebody else made it meanwhile.
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io(error.error)),
    }
}

enum Transaction {
    Read(ReadTransaction),
    Write(Box<WriteTransaction>),
    Memory(Draft),
}

/// The rows of one account, as one request sees them.
pub struct Rows {
    transaction: Transaction,
    account: String,
}

impl Rows {
    pub fn text(&self, collection: &str, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.texts(collection, [id])?.pop().flatten())
    }

    /// The same for many rows, with the table opened once.
    pub fn texts<'i>(
        &self,
        collection: &str,
        ids: impl IntoIterator<Item = &'i str>,
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        fn all<'i>(
            table: &impl ReadableTable<Key, &'static [u8]>,
            account: &str,
            collection: &str,
            ids: impl IntoIterator<Item = &'i str>,
        ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
            ids.into_iter()
                .map(|id| {
                    let row = table.get((account, collection, id)).map_err(redb)?;
                    Ok(row.map(|row| row.value().to_vec()))
                })
                .collect()
        }
        match &self.transaction {
            Transaction::Read(read) => all(&read.open_table(ROWS).map_err(redb)?, &self.account, collection, ids),
            Transaction::Write(write) => all(&write.open_table(ROWS).map_err(redb)?, &self.account, collection, ids),
            Transaction::Memory(draft) => {
                let rows = ids.into_iter().map(|id| draft.get(&self.account, collection, id));
                Ok(rows.collect())
            }
        }
    }

    pub fn get<T: DeserializeOwned>(&self, collection: &str, id: &str) -> Result<Option<T>, StoreError> {
        let text = self.text(collection, id)?;
        Ok(text.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    /// All rows of a collection whose id starts with `prefix`, sorted by id.
    pub fn scan<T: DeserializeOwned>(&self, collection: &str, prefix: &str) -> Result<Vec<(String, T)>, StoreError> {
        self.scan_texts(collection, prefix, usize::MAX)?
            .into_iter()
            .map(|(id, bytes)| Ok((id, serde_json::from_slice(&bytes)?)))
            .collect()
    }

    pub fn first_id(&self, collection: &str) -> Result<Option<String>, StoreError> {
        Ok(self.scan_texts(collection, "", 1)?.pop().map(|(id, _)| id))
    }

    fn scan_texts(&self, collection: &str, prefix: &str, most: usize) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        fn all(
            table: &impl ReadableTable<Key, &'static [u8]>,
            (account, collection, prefix): (&str, &str, &str),
            most: usize,
        ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
            let mut found = Vec::new();
            for row in table.range((account, collection, prefix)..).map_err(redb)? {
                let (key, value) = row.map_err(redb)?;
                let (of, within, id) = key.value();
                let inside = of == account && within == collection && id.starts_with(prefix);
                if !inside || found.len() == most {
                    break;
                }
                found.push((id.to_owned(), value.value().to_vec()));
            }
            Ok(found)
        }
        let range = (self.account.as_str(), collection, prefix);
        match &self.transaction {
            Transaction::Read(read) => all(&read.open_table(ROWS).map_err(redb)?, range, most),
            Transaction::Write(write) => all(&write.open_table(ROWS).map_err(redb)?, range, most),
            Transaction::Memory(draft) => Ok(draft.scan(&self.account, collection, prefix, most)),
        }
    }

    pub fn put<T: Serialize>(&self, collection: &str, id: &str, row: &T) -> Result<(), StoreError> {
        self.put_text(collection, id, &serde_json::to_vec(row)?)
    }

    pub fn put_text(&self, collection: &str, id: &str, text: &[u8]) -> Result<(), StoreError> {
        if let Transaction::Memory(draft) = &self.transaction {
            return draft.put(&self.account, collection, id, Some(text.to_vec()));
        }
        let mut table = self.writer()?.open_table(ROWS).map_err(redb)?;
        table
            .insert((self.account.as_str(), collection, id), text)
            .map_err(redb)?;
        Ok(())
    }

    pub fn remove(&self, collection: &str, id: &str) -> Result<(), StoreError> {
        if let Transaction::Memory(draft) = &self.transaction {
            return draft.put(&self.account, collection, id, None);
        }
        let mut table = self.writer()?.open_table(ROWS).map_err(redb)?;
        table.remove((self.account.as_str(), collection, id)).map_err(redb)?;
        Ok(())
    }

    /// The next number of a sequence, from 1.
    pub fn next(&self, sequence: &str) -> Result<u64, StoreError> {
        let number = self.get::<u64>("sequence", sequence)?.unwrap_or(0) + 1;
        self.put("sequence", sequence, &number)?;
        Ok(number)
    }

    /// Keeps what was written; dropping without this forgets it.
    pub fn commit(self) -> Result<(), StoreError> {
        match self.transaction {
            Transaction::Read(_) => Ok(()),
            Transaction::Write(write) => write.commit().map_err(redb),
            Transaction::Memory(draft) => {
                draft.commit();
                Ok(())
            }
        }
    }

    fn writer(&self) -> Result<&WriteTransaction, StoreError> {
        match &self.transaction {
            Transaction::Read(_) | Transaction::Memory(_) => Err(StoreError::ReadOnly),
            Transaction::Write(write) => Ok(write),
        }
    }
}
