//! The life of a gateway: lock, state, settings, doors, readiness; then serving; then the drain and the last state.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hermes_core::ObservedState;
use hermes_core::chain;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::{self, MissedTickBehavior};

use crate::directory::ProfileDirectory;
use crate::disk::Disk;
use crate::error::GatewayError;
use crate::http::{self, Vitals};
use crate::listen::{self, Listener, SocketFile};
use crate::lock::GatewayLock;
use crate::options::Options;
use crate::pid_file::PidFile;
use crate::say::{say, warn};
use crate::serve::{Drained, Server};
use crate::settings;
use crate::signals::Orders;
use crate::state::{Recorder, STATE_INTERVAL, patiently};

/// What the gateway serves through, and what it was told about its end.
struct Doors {
    listeners: Vec<Listener>,
    /// `None` if the volume holds no sockets and there is no slot: then the port is the only door.
    socket: Option<SocketFile>,
    drain_timeout: Duration,
    allowed_hosts: Vec<String>,
}

/// Runs the gateway that `options` describe, until SIGTERM or SIGINT has told it to end and it has finished what was in flight. A
/// second signal ends it at once. SIGHUP does nothing.
///
/// # Errors
/// It could not start, or its profile was removed. [`GatewayError::is_configuration`] tells whether a restart can help.
pub fn run(options: Options) -> Result<(), GatewayError> {
    in_event_loop(async {
        let orders = Orders::from_signals().map_err(GatewayError::Signals)?;
        live(options, orders, http::router, STATE_INTERVAL).await
    })
}

/// Runs `life` in an event loop of its own.
pub(crate) fn in_event_loop(
    life: impl Future<Output = Result<(), GatewayError>>,
) -> Result<(), GatewayError> {
    let event_loop =
        Builder::new_current_thread().enable_io().enable_time().build().map_err(GatewayError::Runtime)?;
    event_loop.block_on(life)
}

/// The life itself, with what it depends on as arguments: who tells it to end, what it serves, how often it writes its state.
pub(crate) async fn live(
    mut options: Options,
    mut orders: Orders,
    router: impl FnOnce(Arc<Vitals>) -> Router,
    state_interval: Duration,
) -> Result<(), GatewayError> {
    let ready = options.ready.take();
    let directory = ProfileDirectory::open(&options)?;
    // Dropped in the opposite order: the lock goes last.
    let _lock = GatewayLock::take(&options.home, &options.profile)?;
    let _pid = PidFile::write(options.home.gateway_pid(&options.profile));
    let disk = Disk::open().map_err(GatewayError::Runtime)?;
    let recorder = Recorder::new(&options);
    recorder.write(None, |_| ObservedState::Starting);
    let doors = match open_doors(&options, &directory) {
        Ok(doors) => doors,
        Err(error) => {
            recorder.write(Some(chain(&error)), |_| ObservedState::StartupFailed);
            return Err(error);
        }
    };
    let Doors { listeners, socket, drain_timeout, allowed_hosts } = doors;
    let ready_line = ready_line(&options, socket.as_ref(), &listeners);
    let vitals = Arc::new(Vitals::new(
        options.profile.clone(),
        options.version.clone(),
        allowed_hosts,
        recorder.clone(),
    ));
    let mut server = Server::open(listeners, &router(Arc::clone(&vitals)), &vitals);

    // In this order: whoever waited for readiness reads `running`.
    vitals.set_state(ObservedState::Running);
    patiently(recorder.start_writing(&disk, |_| ObservedState::Running)).await;
    tell_ready(ready);
    say(ready_line);

    let directory = Arc::new(directory);
    let (gone, mut removed) = oneshot::channel();
    let vitals_of_heart = Arc::clone(&vitals);
    let heart = tokio::spawn(beat(
        Arc::clone(&directory),
        disk.clone(),
        recorder.clone(),
        vitals_of_heart,
        state_interval,
        gone,
    ));
    let is_removed = tokio::select! {
        () = orders.next() => false,
        Ok(()) = &mut removed => true,
    };

    vitals.set_state(ObservedState::Draining);
    if !is_removed {
        // Not waited for: what is in flight needs no disk to finish.
        drop(recorder.start_writing(&disk, |_| ObservedState::Draining));
    }
    say(format_args!("draining: {} in flight, up to {drain_timeout:?}", server.in_flight()));
    let drained = server.drain(drain_timeout, &mut orders).await;
    if drained != Drained::Whole {
        warn(format_args!("{} in flight cut off", server.in_flight()));
    }
    heart.abort();
    server.close().await;
    if is_removed {
        return Err(GatewayError::ProfileRemoved { profile: options.profile });
    }
    let last = recorder.clone();
    // Removed meanwhile, the directory may have a successor, whose state is not ours to write.
    let write_last = move || (!directory.is_gone()).then(|| last.write(None, ObservedState::left_by_sigterm));
    patiently(disk.start(write_last)).await;
    drop(socket);
    say("stopped");
    Ok(())
}

/// Reads the settings and opens the doors that they name.
fn open_doors(options: &Options, directory: &ProfileDirectory) -> Result<Doors, GatewayError> {
    let settings = settings::load(options)?;
    for warning in &settings.gateway.warnings {
        warn(warning);
    }
    let mut listeners = Vec::new();
    let socket = match listen::bind_unix(directory, &options.profile) {
        Ok((unix, socket)) => {
            listeners.push(unix);
            Some(socket)
        }
        Err(error @ GatewayError::NoSockets { .. }) if settings.gateway.port.is_some() => {
            warn(format_args!("{}; the port is the only way in", hermes_core::chain(&error)));
            None
        }
        Err(error) => return Err(error),
    };
    if let Some(port) = settings.gateway.port {
        listeners.push(listen::bind_tcp(options, &settings, port)?);
    }
    Ok(Doors {
        listeners,
        socket,
        drain_timeout: settings.gateway.drain_timeout,
        allowed_hosts: settings.gateway.allowed_hosts,
    })
}

fn ready_line(options: &Options, socket: Option<&SocketFile>, listeners: &[Listener]) -> String {
    let unix = socket.map(|socket| format!("unix {}", socket.path().display()));
    let tcp = listeners.iter().filter_map(Listener::tcp_address).map(|address| format!("http://{address}"));
    let doors: Vec<String> = unix.into_iter().chain(tcp).collect();
    format!("gateway '{}' is ready: {}", options.profile, doors.join(", "))
}

/// s6's way (`s6-supervise(8)`, `notification-fd`): a newline, then the end of the file.
fn tell_ready(ready: Option<OwnedFd>) {
    let Some(descriptor) = ready else { return };
    let told: io::Result<()> = File::from(descriptor).write_all(b"\n");
    if let Err(error) = told {
        warn(format_args!("nobody was told that the gateway is ready: {error}"));
    }
}

/// Writes the state again and again, and tells when the profile is gone.
async fn beat(
    directory: Arc<ProfileDirectory>,
    disk: Disk,
    recorder: Recorder,
    vitals: Arc<Vitals>,
    interval: Duration,
    gone: oneshot::Sender<()>,
) {
    let mut ticks = time::interval_at(time::Instant::now() + interval, interval);
    // A disk that hung for an hour is owed one state, not sixty.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let looked_at = Arc::clone(&directory);
        if disk.start(move || looked_at.is_gone()).await.unwrap_or(false) {
            let _ = gone.send(());
            return;
        }
        let state = vitals.state();
        let _ = recorder.start_writing(&disk, move |_| state).await;
    }
}
