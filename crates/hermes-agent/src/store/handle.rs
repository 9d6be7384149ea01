//! The handle on a database: each method of it is one transaction on the thread of the connection.

use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::durability::{self, Durability, Temporary};
use super::error::{Fault, StoreError, is_corruption};
use super::open::{self, Held};
use super::worker::Worker;

/// A handle on the database of a profile. Clones share one connection. The last one closes it.
#[derive(Clone, Debug)]
pub struct Store {
    worker: Arc<Worker>,
    pub(crate) temporary: Temporary,
}

impl Store {
    /// Starts the thread for an opened database.
    pub(crate) fn start(path: PathBuf, held: Held) -> Result<Self, StoreError> {
        Ok(Self { worker: Arc::new(Worker::start(path, held)?), temporary: Temporary::default() })
    }

    /// Returns the path of the database.
    pub fn path(&self) -> PathBuf {
        self.worker.path().to_owned()
    }

    /// Runs `work` in a transaction that takes the write lock at its begin, and is on the disk at its end.
    pub(crate) async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        self.write_with(Durability::Now, operation, work).await
    }

    /// Does the same as [`Store::write`] with another durability.
    pub(crate) async fn write_with<T, F>(
        &self,
        durability: Durability,
        operation: &'static str,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        self.transact(operation, TransactionBehavior::Immediate, durability, work).await
    }

    /// Runs `work` in a transaction that reads.
    pub(crate) async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        self.transact(operation, TransactionBehavior::Deferred, Durability::Now, work).await
    }

    async fn transact<T, F>(
        &self,
        operation: &'static str,
        behavior: TransactionBehavior,
        durability: Durability,
        work: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    {
        let transact = move |connection: &mut Connection| -> Result<T, Fault> {
            durability::with(durability, connection, |connection| {
                let transaction = connection.transaction_with_behavior(behavior)?;
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            })
        };
        let result = self.run(transact).await?;
        result.map_err(|fault| match fault {
            Fault::Store(error) => error,
            Fault::Sql(source) if is_corruption(&source) => {
                open::mark_as_suspect(self.worker.path());
                StoreError::Corrupt { path: self.path() }
            }
            Fault::Sql(source) => StoreError::Operation { operation, source },
        })
    }

    /// Runs `work` with the connection. It is done even if the caller goes.
    pub(crate) async fn run<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        self.worker.run(work).await
    }
}
