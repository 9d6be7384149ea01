//! The life of a gateway: lock, state, settings, sockets, readiness; then the requests; then the drain and the last state.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hermes_core::config::GatewayConfig;
use hermes_core::gateway::agent_keys::{self, CallerKey};
use hermes_core::{ObservedState, ProfileName, chain};
use hermes_server::{Listener, StopRequests};
use tokio::sync::oneshot;
use tokio::time::{self, MissedTickBehavior};

use crate::agent::AgentHandle;
use crate::confinement;
use crate::directory::ProfileDirectory;
use crate::disk::Disk;
use crate::error::GatewayError;
use crate::http::{self, App, Gate, Keys, Runs, Vitals};
use crate::listen::{self, Peers, SocketFile};
use crate::lock::GatewayLock;
use crate::options::Options;
use crate::pid_file::PidFile;
use crate::say::{say, warn};
use crate::serve::{Drained, Server};
use crate::settings;
use crate::state::{Recorder, STATE_INTERVAL, wait_for_write};
use crate::turns::Turns;

/// The time for which changes of the number of turns are collected before one write of the state.
const TURNS_WAIT: Duration = Duration::from_millis(100);

/// The time for interrupted turns to end, after the drain time-out. s6 kills the gateway three seconds after the time-out.
const INTERRUPT_WAIT: Duration = Duration::from_millis(1500);

/// Confines the process of a gateway, once its sockets are open.
type Confine = fn(&Options, &ProfileDirectory, Option<&SocketFile>) -> Result<(), GatewayError>;

/// The open sockets, and the settings for serving and draining.
struct Sockets {
    listeners: Vec<Listener>,
    /// `None` if the volume cannot hold sockets and there is no slot. Then the port is the only socket.
    socket: Option<SocketFile>,
    config: GatewayConfig,
}

/// Runs the gateway that `options` describe until SIGTERM or SIGINT. It then finishes the requests in flight. A second signal ends it
/// at once. SIGHUP does nothing.
///
/// # Errors
/// It could not start, or its profile was removed. [`GatewayError::is_configuration`] tells whether a restart can help.
pub fn run(options: Options) -> Result<(), GatewayError> {
    // The environment and the memory hold keys. No other process of the account may read them.
    hermes_os::process::close_to_the_account().map_err(GatewayError::Runtime)?;
    let ended = hermes_server::block_on(async {
        let stop = StopRequests::from_signals().map_err(GatewayError::Signals)?;
        hermes_server::ignore_hangup().map_err(GatewayError::Signals)?;
        serve(options, stop, confinement::confine, http::router, STATE_INTERVAL).await
    });
    ended.map_err(GatewayError::Runtime)?
}

/// Runs a gateway with these requests to stop, this confinement, this router and this interval between two writes of its state.
pub(crate) async fn serve(
    mut options: Options,
    mut stop: StopRequests,
    confine: Confine,
    router: impl FnOnce(Arc<App>) -> Router,
    state_interval: Duration,
) -> Result<(), GatewayError> {
    let ready = options.ready.take();
    let peers = Arc::new(Peers::of_this_process());
    let directory = ProfileDirectory::open(&options)?;
    // Values drop in the opposite order, so the lock is released last.
    let _lock = GatewayLock::take(&options.home, &options.profile)?;
    let _pid = PidFile::write(options.home.gateway_pid(&options.profile));
    let recorder = Recorder::new(&options);
    recorder.write(None, |_| ObservedState::Starting);
    let opened = open_sockets(&options, &directory).and_then(|sockets| {
        // The keys of other agents lie in their directories, which a confined process cannot reach.
        let agents = agents_that_may_ask(&options, &sockets.config.agents_allow);
        // The kernel confines one thread and those that it starts later. So this comes before the first one.
        confine(&options, &directory, sockets.socket.as_ref())?;
        let disk = Disk::open().map_err(GatewayError::Runtime)?;
        let keys = Keys::open(&options, disk.clone())?;
        Ok((sockets, disk, keys, agents))
    });
    let (sockets, disk, keys, agents) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            recorder.write(Some(chain(&error)), |_| ObservedState::StartupFailed);
            return Err(error);
        }
    };
    let Sockets { listeners, socket, config } = sockets;
    let drain_timeout = config.drain_timeout;
    let ready_line = ready_line(&options, socket.as_ref(), &listeners);
    let vitals = Arc::new(Vitals::new(options.profile.clone(), options.version.clone(), recorder.clone()));
    let turns = Turns::new(usize::try_from(config.max_concurrent_runs).unwrap_or(usize::MAX));
    let app = Arc::new(App {
        vitals: Arc::clone(&vitals),
        gate: Gate::new(&config, keys, agents),
        model_name: config.model_name,
        agent: AgentHandle::new(&options),
        turns: Arc::clone(&turns),
        runs: Runs::default(),
    });
    let mut server = Server::open(listeners, &router(Arc::clone(&app)), &vitals, &peers);

    // The state comes before readiness: a process that waited for readiness must read `running`.
    vitals.set_state(ObservedState::Running);
    wait_for_write(recorder.start_writing(&disk, |_| ObservedState::Running)).await;
    if let Err(error) = hermes_server::notify_ready(ready) {
        warn(format_args!("failed to notify s6 of readiness: {error}"));
    }
    say(ready_line);

    let directory = Arc::new(directory);
    let (gone, mut removed) = oneshot::channel();
    let heartbeat = tokio::spawn(heartbeat(
        Arc::clone(&directory),
        disk.clone(),
        recorder.clone(),
        Arc::clone(&app),
        state_interval,
        gone,
    ));
    let is_removed = tokio::select! {
        () = stop.next() => false,
        Ok(()) = &mut removed => true,
    };

    vitals.set_state(ObservedState::Draining);
    if !is_removed {
        // The drain does not wait for this write: requests in flight need no disk to finish.
        drop(recorder.start_writing(&disk, |_| ObservedState::Draining));
    }
    say(format_args!("draining: {} in flight, up to {drain_timeout:?}", server.in_flight()));
    turns.begin_drain();
    let mut drained = server.drain(&turns, drain_timeout, &mut stop).await;
    if drained != Drained::Whole && turns.interrupt_all(&app.agent) {
        // The turns store their ends, and their clients get an error that tells them to retry.
        drained = server.drain(&turns, INTERRUPT_WAIT, &mut stop).await;
    }
    if drained != Drained::Whole {
        warn(format_args!("{} in flight cut off", server.in_flight()));
    }
    heartbeat.abort();
    server.close().await;
    if is_removed {
        return Err(GatewayError::ProfileRemoved { profile: options.profile });
    }
    recorder.set_active_agents(*turns.count().borrow());
    let last = recorder.clone();
    // A profile that was removed may exist again under its name. This gateway must not write the state of the new one.
    let write_last = move || (!directory.is_gone()).then(|| last.write(None, ObservedState::left_by_sigterm));
    wait_for_write(disk.start(write_last)).await;
    drop(socket);
    say("stopped");
    Ok(())
}

/// Reads the settings and opens the sockets that they name.
fn open_sockets(options: &Options, directory: &ProfileDirectory) -> Result<Sockets, GatewayError> {
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
            warn(format_args!("{}; the port is the only socket", hermes_core::chain(&error)));
            None
        }
        Err(error) => return Err(error),
    };
    if let Some(port) = settings.gateway.port {
        listeners.push(listen::bind_tcp(options, &settings, port)?);
    }
    Ok(Sockets { listeners, socket, config: settings.gateway })
}

/// Gives each agent that may ask this one its key. A warning is enough for one that gets none: it cannot ask.
fn agents_that_may_ask(options: &Options, allowed: &[ProfileName]) -> Vec<CallerKey> {
    let (keys, errors) = agent_keys::publish(&options.home, &options.profile, allowed);
    for error in errors {
        warn(format_args!("{}; it cannot ask this agent", chain(&error)));
    }
    keys
}

fn ready_line(options: &Options, socket: Option<&SocketFile>, listeners: &[Listener]) -> String {
    let unix = socket.map(|socket| format!("unix {}", socket.path().display()));
    let tcp = listeners.iter().filter_map(Listener::tcp_address).map(|address| format!("http://{address}"));
    let addresses: Vec<String> = unix.into_iter().chain(tcp).collect();
    format!("gateway '{}' is ready: {}", options.profile, addresses.join(", "))
}

/// Writes the state at each interval, and when turns begin or end. Ends with a message on `gone` when the profile is gone.
async fn heartbeat(
    directory: Arc<ProfileDirectory>,
    disk: Disk,
    recorder: Recorder,
    app: Arc<App>,
    interval: Duration,
    gone: oneshot::Sender<()>,
) {
    let mut ticks = time::interval_at(time::Instant::now() + interval, interval);
    // After a disk that hung for an hour, one write is enough.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turns = app.turns.count();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // The sender lives as long as `app`.
            _ = turns.changed() => drop(time::timeout(TURNS_WAIT, ticks.tick()).await),
        }
        let looked_at = Arc::clone(&directory);
        if disk.start(move || looked_at.is_gone()).await.unwrap_or(false) {
            let _ = gone.send(());
            return;
        }
        recorder.set_active_agents(*turns.borrow_and_update());
        let state = app.observe();
        let _ = recorder.start_writing(&disk, move |_| state).await;
    }
}
