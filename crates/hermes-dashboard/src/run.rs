//! The life of the dashboard: settings, socket, readiness; then the requests until it is stopped.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use hermes_core::{Home, chain};
use hermes_operations::Operations;
use hermes_operations::dashboard_record::{DashboardState, Record};
use hermes_server::StopRequests;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;

use crate::auth::{self, Credentials, Gate, Watched};
use crate::connection;
use crate::error::DashboardError;
use crate::listen;
use crate::process_usage::Usage;
use crate::refresh;
use crate::routes;
use crate::say::{say, warn};
use crate::settings::Settings;
use crate::site::Site;

/// The options of the dashboard.
pub struct Options {
    /// The operations on the volume.
    pub operations: Operations,
    /// The address, and the visitors that are let in.
    pub settings: Settings,
    /// The version of hermes.
    pub version: String,
    /// The git revision of the image, if it was built with one.
    pub revision: Option<String>,
    /// The descriptor for the readiness notification (s6's `notification-fd`); `None` without s6.
    pub ready: Option<OwnedFd>,
    /// A function that gets the link to the dashboard when it listens.
    pub on_link: Option<fn(&str)>,
}

/// Runs the dashboard until SIGTERM or SIGINT.
///
/// # Errors
/// It could not start. [`DashboardError::is_configuration`] tells whether another start may succeed.
pub fn run(options: Options) -> Result<(), DashboardError> {
    let home = options.operations.home().clone();
    let ended = hermes_server::block_on(serve(options)).map_err(DashboardError::Start)?;
    ended.inspect_err(|error| record_failed_start(&home, chain(error)))
}

/// Records the reason of a failed start on the volume, unless another dashboard runs there.
pub fn record_failed_start(home: &Home, reason: String) {
    let runs = Record::load(home).is_some_and(|record| {
        record.dashboard_state == DashboardState::Running
            && record.pid != std::process::id()
            && Usage::of(record.pid).is_some()
    });
    if !runs {
        save_record(home, &Record::new(DashboardState::StartupFailed, None, Some(reason)));
    }
}

async fn serve(options: Options) -> Result<(), DashboardError> {
    let Options { operations, settings, version, revision, ready, on_link } = options;
    let home = operations.home().clone();
    let mut stop = StopRequests::from_signals().map_err(DashboardError::Start)?;
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
    let site = Site::new(operations, settings, credentials, version, revision);
    let router = routes::router(&site);
    tokio::spawn(refresh::run(Arc::clone(&site)));
    let server = connection::accept(listener, router, base_path);

    save_record(&home, &Record::new(DashboardState::Running, Some(address), None));
    if let Err(error) = hermes_server::notify_ready(ready) {
        warn(format_args!("failed to notify s6 of readiness: {error}"));
    }
    say(format_args!("listening on http://{address}"));
    if !has_password || on_link.is_some() {
        say(format_args!("open {link}"));
    }
    if let Some(on_link) = on_link {
        on_link(&link);
    }
    tokio::select! {
        () = server => {}
        () = stop.next() => {}
    }
    save_record(&home, &Record::new(DashboardState::Stopped, None, None));
    Ok(())
}

/// Returns the URL for a browser on this machine. The URL for other machines is unknown.
fn link_base(settings: &Settings, address: SocketAddr) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() => "localhost".to_owned(),
        ip => SocketAddr::new(ip, 0).to_string().trim_end_matches(":0").to_owned(),
    };
    format!("http://{host}:{}{}/", address.port(), settings.base_path)
}

/// Raises the limit of descriptors. Each stream needs one, and some hosts allow only 1,024.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        limit.current = limit.maximum.map(|most| most.min(65_536)).or(Some(65_536));
        let _ = setrlimit(Resource::Nofile, limit);
    }
}

/// Saves a record. Ignores a failure, because the dashboard also runs on a read-only volume.
fn save_record(home: &Home, record: &Record) {
    let _ = auth::make_directory(home).map(|()| record.save(home));
}
