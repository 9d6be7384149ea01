//! One test: on a runtime of its own, under a limit, its panics caught, its evidence kept until it has passed.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Once, mpsc};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::runtime::{Builder, Runtime};

use super::{TestFuture, not_run};
use crate::cleanup::{Doomed, on_cleanup_thread, remove_now};
use crate::container::Suspect;
use crate::engine::connect;
use crate::error::{Error, Result, chain, seconds};
use crate::evidence::{self, Held};
use crate::identity::{keep_is_on, say_kept};
use crate::product::product;
use crate::scope::Scope;

/// The longest time of a test. It ends a test that hangs. A test takes seconds, or a minute if it builds an image. A busy machine
/// needs several times as long.
pub const LIMIT: Duration = Duration::from_secs(400);

/// The stack of a test, in bytes. Only what is used of it costs memory.
const STACK: usize = 32 << 20;

/// How long taking the evidence may take.
const EVIDENCE_PATIENCE: Duration = Duration::from_secs(60);

/// The end of a test.
type Ended = std::result::Result<(), NotPassed>;

thread_local! {
    /// The message and the place of the last panic of a test on this thread.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };

    /// The time of the last test on this thread. The guards of `serial_test` around [`run`] let no value through.
    static TOOK: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// A runtime for one test.
pub(super) fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().map_err(Error::file("start a tokio runtime"))
}

/// The end of a test that did not pass.
#[derive(Debug)]
pub enum NotPassed {
    /// It cannot run here, for this reason.
    NotRun(String),
    /// It failed with this message.
    Failed(String),
}

/// Runs a registered test. `place` says where its source is.
pub(super) fn run(name: &str, place: &str, start: fn() -> TestFuture) -> Ended {
    let _watched = Watchdog::over(name.to_owned());
    let began = Instant::now();
    let ended = on_a_roomy_stack(|| run_to_end(name, LIMIT, start));
    TOOK.set(Some(began.elapsed()));
    let failed = |failure| NotPassed::Failed(format!("{failure}\n(at {place})"));
    ended.map_err(|not_passed| match not_passed {
        NotPassed::NotRun(reason) if not_run::is_lost_on_the_runner() => failed(format!(
            "it cannot run here: {reason}\nleave it out (-E 'not test(={name})') or run the suites without nextest"
        )),
        NotPassed::NotRun(reason) => NotPassed::NotRun(reason),
        NotPassed::Failed(failure) => failed(failure),
    })
}

/// Returns the time of the last test on this thread.
pub(super) fn took() -> Option<Duration> {
    TOOK.take()
}

fn failed(failure: String) -> Ended {
    Err(NotPassed::Failed(failure))
}

/// Runs on a thread with room: a test that describes a dozen containers at once holds them all on its stack, which in a
/// debug build overflows the two megabytes of an ordinary thread, and that ends the whole run.
fn on_a_roomy_stack(what: impl FnOnce() -> Ended + Send) -> Ended {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, what);
        match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| failed(payload_text(&*panic))),
            Err(error) => failed(format!("failed to start a thread: {error}")),
        }
    })
}

/// How long after its limit a test that blocks its thread is left alone: evidence and removal have their own patience.
const LAST_RESORT: Duration = Duration::from_secs(150);

/// The exit code of a process that a test blocked: not the one of a run with failed tests.
const BLOCKED: i32 = 70;

/// Ends the process should a test block its thread for good, where no limit of the runtime reaches it. What it made is
/// removed by the next run.
struct Watchdog {
    /// Dropped with the test: that calls the dog off.
    _lead: mpsc::Sender<()>,
}

impl Watchdog {
    fn over(test: String) -> Self {
        let (lead, held) = mpsc::channel();
        std::thread::spawn(move || {
            if held.recv_timeout(LIMIT + LAST_RESORT) == Err(mpsc::RecvTimeoutError::Timeout) {
                eprintln!(
                    "error: test {test} blocks its thread; the limit of {} is long over",
                    seconds(LIMIT)
                );
                std::process::exit(BLOCKED);
            }
        });
        Self { _lead: lead }
    }
}

/// Runs a test to its end, and removes what it made. A failure is told with the folder of its evidence.
pub(super) fn run_to_end(name: &str, limit: Duration, start: impl FnOnce() -> TestFuture) -> Ended {
    note_panics();
    let started = runtime().and_then(|runtime| {
        let docker = runtime.block_on(connect())?;
        Ok((runtime, docker))
    });
    let (runtime, docker) = match started {
        Ok(started) => started,
        Err(error) => return failed(chain(&error)),
    };
    let scope = Scope::new(name, docker);
    let ended = {
        let _entered = scope.enter();
        let ended = runtime.block_on(attempt(&scope, limit, start));
        // Tasks that the test spawned hold containers, too.
        runtime.shutdown_timeout(Duration::from_secs(5));
        ended
    };
    let let_go = scope.take_doomed();
    scope.end();
    let (witnesses, pictures) = (scope.take_witnesses(), scope.take_pictures());
    let (doomed, suspects): (Vec<Doomed>, Vec<Option<Suspect>>) = let_go.into_iter().unzip();
    let told = match ended {
        Ok(()) => {
            evidence::discard(name);
            if keep_is_on() && !pictures.is_empty() {
                match evidence::keep_pictures(name, &pictures) {
                    Ok(folder) => say_kept(&format!("pictures are kept in {}", folder.display())),
                    Err(error) => eprintln!("harness: failed to keep pictures of {name}: {error}"),
                }
            }
            Ok(())
        }
        Err(NotPassed::Failed(failure)) => {
            let suspects = suspects.into_iter().flatten().collect();
            failed(with_evidence(name, failure, Held { suspects, witnesses, pictures }))
        }
        // The evidence of an earlier failure stays: this run disproved nothing.
        Err(NotPassed::NotRun(reason)) => Err(NotPassed::NotRun(reason)),
    };
    remove_now(doomed);
    told
}

/// Polls the test until it ends or the limit passes. Between two steps it removes what the test let go of: what is let
/// go of in the last step stays for the evidence.
async fn attempt(scope: &Arc<Scope>, limit: Duration, start: impl FnOnce() -> TestFuture) -> Ended {
    let mut test = AssertUnwindSafe(async move { start().await }).catch_unwind().boxed_local();
    let stepwise = poll_fn(|context| {
        let step = test.poll_unpin(context);
        if step.is_pending() {
            remove_now(scope.take_doomed().into_iter().map(|(doomed, _)| doomed).collect());
            drop(scope.take_witnesses());
        }
        step
    });
    match tokio::time::timeout(limit, stepwise).await {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => match not_run::reason_in(&*error) {
            Some(reason) => Err(NotPassed::NotRun(reason)),
            None => failed(chain(&*error)),
        },
        Ok(Err(panic)) => failed(told_by(&*panic)),
        Err(_) => failed(format!("the test did not end within its limit of {}", seconds(limit))),
    }
}

fn with_evidence(name: &str, failure: String, held: Held) -> String {
    let kept = match keep_is_on() {
        true => String::new(),
        false => format!(" (its containers are removed; {}=1 keeps them)", product().variable("KEEP")),
    };
    let (test, text) = (name.to_owned(), failure.clone());
    let collected = on_cleanup_thread(EVIDENCE_PATIENCE, move |docker| async move {
        evidence::collect(&docker, &test, &text, held).await
    });
    match collected {
        Some(Ok(folder)) => format!("{failure}\n\nevidence: {}{kept}", folder.display()),
        Some(Err(error)) => format!("{failure}\n\nno evidence: {error}"),
        None => format!("{failure}\n\nno evidence: the engine did not answer"),
    }
}

/// From now on the panic of a test is told in its result instead of on stderr, in between other tests.
fn note_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if Scope::current().is_none() {
                return usual(info);
            }
            let place = info.location().map(|place| format!(" (at {place})")).unwrap_or_default();
            let text = payload_text(info.payload());
            PANIC.set(Some(format!("{text}{place}")));
        }));
    });
}

fn told_by(panic: &(dyn Any + Send)) -> String {
    PANIC.take().unwrap_or_else(|| payload_text(panic))
}

fn payload_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panicked".to_owned())
}
