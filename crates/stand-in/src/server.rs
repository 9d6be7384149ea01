//! The server: it accepts connections and answers their requests, in its own thread or in a task.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};

use crate::error::Error;
use crate::http::{Connection, Ending};
use crate::journal::Journal;
use crate::replay::Replay;
use crate::response::{Outcome, Response};
use crate::routes::State;
use crate::script::Script;

/// The number of connections at one time.
const CONNECTIONS: usize = 1_000;

/// The settings of a server.
#[derive(Debug, Default)]
pub struct Options {
    /// The script. An empty one leaves all requests to the recordings or the rules.
    pub script: Script,
    /// The directory with recorded exchanges.
    pub replay: Option<PathBuf>,
    /// The file that gets each request as a JSON line.
    pub log: Option<PathBuf>,
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<State>,
}

impl Server {
    /// Listens on this address. The port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be used, or if a file of the options cannot be read.
    pub async fn bind(address: SocketAddr, options: Options) -> Result<Self, Error> {
        let replay = options.replay.as_deref().map(Replay::read).transpose()?;
        let log = options.log.map(|path| {
            File::options()
                .create(true)
                .append(true)
                .open(&path)
                .map_err(|source| Error::Log { path, source })
        });
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let state = State::new(options.script, replay, Journal::new(log.transpose()?));
        Ok(Self { listener, address, state: Arc::new(state) })
    }

    /// Returns the address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until the future is dropped.
    pub async fn run(self) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // A connection that ended before it was accepted is no reason to stop.
            let Ok((mut stream, _)) = self.listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                // The client sees the reason if the answer fits into the socket, else a closed connection.
                let _ = stream.try_write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
                let _ = stream.shutdown().await;
                continue;
            };
            let state = Arc::clone(&self.state);
            tokio::spawn(async move {
                serve(stream, &state).await;
                drop(place);
            });
        }
    }
}

/// Answers the requests of one connection.
async fn serve(stream: TcpStream, state: &State) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut connection = Connection::new(stream);
    loop {
        let request = match connection.request().await {
            Ok(request) => request,
            Err(Ending::Closed) => return,
            Err(Ending::Refused(status, reason)) => {
                let body = json!({"error": {"message": reason, "type": "invalid_request_error"}});
                let mut response = Response::json(status, &body);
                response.set_header("connection", "close");
                // The connection ends here in any case.
                let _ = response.send(&mut connection.stream).await;
                return;
            }
        };
        let (response, number) = state.answer(&request);
        let sent: io::Result<Outcome> = response.send(&mut connection.stream).await;
        let outcome = sent.unwrap_or(Outcome::ClosedByClient);
        if let Some(number) = number {
            state.end(number, outcome);
        }
        if outcome != Outcome::Complete || request.closes() {
            return;
        }
    }
}

/// A server in a thread of its own. It ends when this is dropped.
#[derive(Debug)]
pub struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Starts a server on this address. The port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// Fails like [`Server::bind`], and if the thread cannot start.
    pub fn start(address: SocketAddr, options: Options) -> Result<Self, Error> {
        let (started, result) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let body = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(Error::Thread(error)))),
            };
            serve_until(&runtime, address, options, &started, stopped);
        };
        let thread =
            std::thread::Builder::new().name("stand-in".into()).spawn(body).map_err(Error::Thread)?;
        let (address, state) = result.recv().map_err(|_| Error::Thread(io::ErrorKind::Other.into()))??;
        Ok(Self { address, state, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns the address with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the received requests, newest last: objects with `number`, `method`, `path`, `headers`, `body`, `outcome`.
    pub fn requests(&self) -> Vec<Value> {
        self.state.requests()
    }

    /// Forgets the received requests.
    pub fn clear_requests(&self) {
        self.state.clear_requests();
    }

    /// Replaces the script.
    pub fn set_script(&self, script: Script) {
        self.state.set_script(script);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed already.
            let _ = thread.join();
        }
    }
}

type Started = std::sync::mpsc::Sender<Result<(SocketAddr, Arc<State>), Error>>;

/// Runs a server until the other end of the channel is dropped.
fn serve_until(
    runtime: &Runtime,
    address: SocketAddr,
    options: Options,
    started: &Started,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        let server = match Server::bind(address, options).await {
            Ok(server) => server,
            Err(error) => return drop(started.send(Err(error))),
        };
        if started.send(Ok((server.address, Arc::clone(&server.state)))).is_ok() {
            tokio::select! {
                () = server.run() => {}
                _ = stopped => {}
            }
        }
    });
}
