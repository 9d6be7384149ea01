//! The life of the dashboard: settings, socket, readiness; then answering until it is told to end.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use hermes_core::{Home, chain};
use hermes_operations::dashboard_record::{DashboardState, Record};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::agents::Operations;
use crate::auth::{self, Credentials, Watched};
use crate::board;
use crate::connection;
use crate::error::DashboardError;
use crate::listen;
use crate::process_usage::Usage;
use crate::routes;
use crate::say::{say, warn};
use crate::settings::Settings;
use crate::site::{Gate, Parts, Site};

/// The stack of the threads that look and act. They call a few dozen functions deep.
const THREAD_STACK: usize = 512 * 1024;
/// How long such a thread is kept with nothing to do.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Looks, actions, passwords.
const THREADS_MAX: usize = 16;

/// What the dashboard is made of.
pub struct Options {
    /// The operations on the volume.
    pub operations: Operations,
    /// Where it listens, and for whom.
    pub settings: Settings,
    /// Of hermes.
    pub version: String,
    /// The git revision of the image, where it was built with one.
    pub revision: Option<String>,
    /// Told when it is bound: a newline, then the end of the file (`s6-supervise(8)`, `notification-fd`).
    pub ready: Option<OwnedFd>,
    /// Called with the link that opens it, when it is bound.
    pub on_link: Option<fn(&str)>,
}

/// Runs the dashboard until SIGTERM or SIGINT.
///
/// # Errors
/// It could not start. [`DashboardError::is_configuration`] tells whether another start can help.
pub fn run(options: Options) -> Result<(), DashboardError> {
    let event_loop = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(THREADS_MAX)
        .thread_stack_size(THREAD_STACK)
        .thread_keep_alive(THREAD_KEEP_ALIVE)
        .build()
        .map_err(DashboardError::Start)?;
    let home = options.operations.home().clone();
    let ended = event_loop.block_on(live(options));
    event_loop.shutdown_background();
    ended.map_err(|error| failed_to_start(&home, error))
}

/// Records why the dashboard could not start, unless another one runs on this volume, and hands the error on.
pub fn failed_to_start(home: &Home, error: DashboardError) -> DashboardError {
    let runs = Record::load(home).is_some_and(|record| {
        record.dashboard_state == DashboardState::Running
            && record.pid != std::process::id()
            && Usage::of(record.pid).is_some()
    });
    if runs {
        return error;
    }
    note(home, &Record::new(DashboardState::StartupFailed, None, Some(chain(&error))));
    error
}

async fn live(options: Options) -> Result<(), DashboardError> {
    let Options { operations, settings, version, revision, ready, on_link } = options;
    let home = operations.home().clone();
    let mut terminate = signal(SignalKind::terminate()).map_err(DashboardError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DashboardError::Start)?;
    for warning in &settings.warnings {
        warn(warning);
    }
    raise_descriptor_limit();
    let (listener, address): (TcpListener, SocketAddr) = listen::bind(&settings)?;
    let link_base = link_base(&settings, address);
    let credentials = Credentials::of(Watched {
        home: home.clone(),
        settings: settings.clone(),
        is_loopback: address.ip().to_canonical().is_loopback(),
        address: link_base.clone(),
    })?;
    let (link, has_password) = match &credentials.in_force().gate {
        Gate::Token(token) => (format!("{link_base}login?token={token}"), false),
        gate => (link_base, matches!(gate, Gate::Password(_))),
    };
    let base_path: Arc<str> = settings.base_path.as_str().into();
    let site = Site::new(Parts { operations, settings, credentials, version, revision });
    let router = routes::router(&site);
    tokio::spawn(board::keep_looking(Arc::clone(&site)));
    let door = connection::take_in(listener, router, base_path);

    note(&home, &Record::new(DashboardState::Running, Some(address), None));
    tell_ready(ready);
    say(format_args!("listening on http://{address}"));
    if !has_password || on_link.is_some() {
        say(format_args!("open {link}"));
    }
    if let Some(on_link) = on_link {
        on_link(&link);
    }
    tokio::select! {
        () = door => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    note(&home, &Record::new(DashboardState::Stopped, None, None));
    Ok(())
}

/// What to open in a browser on this machine. From elsewhere the address is another, which nobody here knows.
fn link_base(settings: &Settings, address: SocketAddr) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        ip => SocketAddr::new(ip, 0).to_string().trim_end_matches(":0").to_owned(),
    };
    format!("http://{host}:{}{}/", address.port(), settings.base_path)
}

/// Each stream is a descriptor, and some hosts begin with 1,024.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        limit.current = limit.maximum.map(|most| most.min(65_536)).or(Some(65_536));
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

fn tell_ready(ready: Option<OwnedFd>) {
    let Some(descriptor) = ready else { return };
    let told: io::Result<()> = File::from(descriptor).write_all(b"\n");
    if let Err(error) = told {
        warn(format_args!("nobody was told that the dashboard is ready: {error}"));
    }
}

/// A volume that takes no record is no reason not to run.
fn note(home: &Home, record: &Record) {
    let _ = auth::make_directory(home).map(|()| record.save(home));
}
