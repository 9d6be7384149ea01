//! What belongs to the test that runs on this thread: its connection, its name, and what it let go of.
//!
//! A container that a test drops is removed before the test's next step, not at once. For when a test fails with `?`,
//! its containers are dropped on the way out, in the same step in which the failure becomes known; only then can their
//! evidence be taken. The runner drains [`Scope::take_doomed`] after each step.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bollard::Docker;

use crate::browser::{Remains, TurnOfTest};
use crate::cleanup::{Doomed, remove_now};
use crate::container::Suspect;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// One test, while it runs.
#[derive(Debug)]
pub(crate) struct Scope {
    test: String,
    docker: Docker,
    state: Mutex<State>,
    turn: TurnOfTest,
}

#[derive(Debug, Default)]
struct State {
    doomed: Vec<(Doomed, Option<Suspect>)>,
    browsers: Vec<Remains>,
    pictures: Vec<Picture>,
    over: bool,
}

/// A name, and a PNG.
pub(crate) type Picture = (String, Vec<u8>);

impl Scope {
    pub(crate) fn new(test: &str, docker: Docker) -> Arc<Self> {
        Arc::new(Self { test: test.to_owned(), docker, state: Mutex::default(), turn: TurnOfTest::default() })
    }

    /// The scope of the test that runs on this thread.
    pub(crate) fn current() -> Option<Arc<Self>> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Makes this the scope of the thread until the guard goes.
    pub(crate) fn enter(self: &Arc<Self>) -> Entered {
        let before = CURRENT.replace(Some(Arc::clone(self)));
        Entered { before }
    }

    pub(crate) fn test(&self) -> &str {
        &self.test
    }

    pub(crate) fn docker(&self) -> &Docker {
        &self.docker
    }

    /// What was let go of since the last call, in that order.
    pub(crate) fn take_doomed(&self) -> Vec<(Doomed, Option<Suspect>)> {
        std::mem::take(&mut self.state().doomed)
    }

    /// The test's turn to have browsers.
    pub(crate) fn turn(&self) -> &TurnOfTest {
        &self.turn
    }

    /// Ends a browser with the test's next step, or at once when there is none to come.
    pub(crate) fn let_go_browser(&self, remains: Remains) {
        let mut state = self.state();
        if !state.over {
            state.browsers.push(remains);
        }
    }

    /// The browsers that were let go of since the last call. To drop one is to end it.
    pub(crate) fn take_browsers(&self) -> Vec<Remains> {
        std::mem::take(&mut self.state().browsers)
    }

    /// Keeps a picture for the evidence; a later one of the same name is it then.
    pub(crate) fn remember_picture(&self, name: &str, png: Vec<u8>) {
        let pictures = &mut self.state().pictures;
        pictures.retain(|(known, _)| known != name);
        pictures.push((name.to_owned(), png));
    }

    /// The pictures so far.
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
