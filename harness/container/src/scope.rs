//! Holds what belongs to the test that runs on this thread: its connection, its name, and the things that it let go of.
//!
//! A container that a test drops is removed before the test's next step, not at once. For when a test fails with `?`,
//! its containers are dropped on the way out, in the same step in which the failure becomes known; only then can their
//! evidence be taken. The runner drains [`Scope::take_doomed`] after each step.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::Docker;

use crate::cleanup::{Doomed, remove_now};
use crate::container::Suspect;
use crate::engine::connect;
use crate::error::Result;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// A thing of a test that is no part of the engine, such as a browser. Dropping it ends it.
///
/// A crate that gives tests such a thing hands it to [`Scope::let_go_witness`] when its handle goes. So it lives until
/// the test's next step, and its report becomes evidence if there is none.
pub trait Witness: Send {
    /// Returns the first part of its files' names: `browser`.
    fn kind(&self) -> &'static str;

    /// Writes a report to files in `folder` whose names begin with `name`. A part that fails is said in its file.
    fn examine<'w>(&'w self, folder: &'w Path, name: &'w str) -> Pin<Box<dyn Future<Output = ()> + 'w>>;
}

/// One test, while it runs.
pub struct Scope {
    test: String,
    docker: Docker,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    doomed: Vec<(Doomed, Option<Suspect>)>,
    witnesses: Vec<Box<dyn Witness>>,
    pictures: Vec<Picture>,
    shared: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
    over: bool,
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("test", &self.test).finish_non_exhaustive()
    }
}

/// The maker of an object in the engine: the test that runs on this thread, or a program without a test.
pub(crate) struct Maker {
    /// The scope of the test.
    pub(crate) scope: Option<Arc<Scope>>,
    /// The connection of the test, or a new one.
    pub(crate) docker: Docker,
}

impl Maker {
    /// Returns the maker on this thread.
    pub(crate) async fn current() -> Result<Self> {
        Self::over(None).await
    }

    /// Returns the maker on this thread, with this connection if there is one.
    pub(crate) async fn over(docker: Option<Docker>) -> Result<Self> {
        let scope = Scope::current();
        let docker = match (docker, &scope) {
            (Some(docker), _) => docker,
            (None, Some(scope)) => scope.docker().clone(),
            (None, None) => connect().await?,
        };
        Ok(Self { scope, docker })
    }

    /// Returns the name of the test, for names and labels.
    pub(crate) fn test(&self) -> &str {
        self.scope.as_ref().map_or("adhoc", |scope| scope.test())
    }
}

/// A name, and a PNG.
pub(crate) type Picture = (String, Vec<u8>);

impl Scope {
    pub(crate) fn new(test: &str, docker: Docker) -> Arc<Self> {
        Arc::new(Self { test: test.to_owned(), docker, state: Mutex::default() })
    }

    /// Returns the scope of the test that runs on this thread.
    pub fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Makes this the scope of the thread until the guard goes.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        let before = CURRENT.replace(Some(Arc::clone(self)));
        Entered { before }
    }

    /// Returns the name of the test.
    pub fn test(&self) -> &str {
        &self.test
    }

    /// Returns the test's connection to the engine.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Returns the things that were let go of since the last call, in that order.
    pub(crate) fn take_doomed(&self) -> Vec<(Doomed, Option<Suspect>)> {
        std::mem::take(&mut self.state().doomed)
    }

    /// Returns the one value of this type that the test has. The first call makes it.
    pub fn shared<T: Any + Send + Sync + Default>(&self) -> Arc<T> {
        let mut state = self.state();
        let value = state.shared.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        Arc::clone(value).downcast().unwrap_or_default()
    }

    /// Ends a thing with the test's next step, or at once when there is none to come.
    pub fn let_go_witness(&self, witness: Box<dyn Witness>) {
        let mut state = self.state();
        if !state.over {
            state.witnesses.push(witness);
        }
    }

    /// Returns the witnesses that were let go of since the last call. To drop one is to end it.
    pub(crate) fn take_witnesses(&self) -> Vec<Box<dyn Witness>> {
        std::mem::take(&mut self.state().witnesses)
    }

    /// Keeps a picture for the evidence, in place of an earlier one of the same name.
    pub fn remember_picture(&self, name: &str, png: Vec<u8>) {
        let pictures = &mut self.state().pictures;
        pictures.retain(|(known, _)| known != name);
        pictures.push((name.to_owned(), png));
    }

    /// Returns the pictures so far.
    pub(crate) fn take_pictures(&self) -> Vec<Picture> {
        std::mem::take(&mut self.state().pictures)
    }

    /// From now on nothing is put off: what is dropped is removed at once.
    pub(crate) fn end(&self) {
        self.state().over = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts `doomed` on the list of its test, or removes it at once when no test runs.
///
/// `suspect` is what evidence can be taken from, should the test turn out to have failed.
pub(crate) fn let_go(scope: Option<&Arc<Scope>>, doomed: Doomed, suspect: Option<Suspect>) {
    if let Some(scope) = scope {
        let mut state = scope.state();
        if !state.over {
            state.doomed.push((doomed, suspect));
            return;
        }
    }
    remove_now(vec![doomed]);
}

/// Restores the thread's former scope when dropped.
pub(crate) struct Entered {
    before: Option<Arc<Scope>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.before.take());
    }
}
