//! The transport of a server in the sandbox: one JSON message per line. Everything that it keeps is bounded.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use hermes_os::json_values::json_values;
use rmcp::RoleClient;
use rmcp::model::JsonRpcMessage;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// The bytes of a line at most.
pub(super) const LINE_MAX: usize = 4 << 20;

/// The values of a message at most. In memory, a small object takes a hundred times the bytes of its text.
pub(super) const VALUES_MAX: usize = 50_000;

/// The bytes at most that a server sends after a request.
pub(super) const UNASKED_MAX: usize = 64 << 20;

/// The requests at most that a server sends after a request of ours. Each costs an answer.
pub(super) const REQUESTS_MAX: usize = 256;

/// The pipes of a server.
pub(super) trait Pipes: Send + 'static {
    /// Reads the next bytes of its output. 0 is the end. Dropping the future loses no byte.
    fn read<'a>(&'a mut self, piece: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>>;

    /// Returns the cause of the end, after the end of the output.
    fn cause(&mut self) -> BoxFuture<'_, String>;
}

/// The input of a server.
pub(super) trait Input: Send + 'static {
    /// Writes all bytes.
    fn write(&mut self, bytes: Vec<u8>) -> BoxFuture<'_, io::Result<()>>;
}

/// The cause of the end of a connection, shared with its user.
#[derive(Clone, Debug, Default)]
pub(super) struct Cause(Arc<Mutex<Option<String>>>);

impl Cause {
    /// Returns the cause, if it is known.
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, cause: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(cause.into());
    }
}

/// The bytes and requests that came since our last request.
#[derive(Debug, Default)]
struct Unasked {
    bytes: AtomicUsize,
    requests: AtomicUsize,
}

/// The transport.
pub(super) struct Lines<P, I> {
    pipes: P,
    input: Arc<tokio::sync::Mutex<I>>,
    buffer: Vec<u8>,
    /// The bytes of the buffer that hold no end of a line.
    searched: usize,
    piece: Vec<u8>,
    unasked: Arc<Unasked>,
    cause: Cause,
}

impl<P: Pipes, I: Input> Lines<P, I> {
    pub(super) fn new(pipes: P, input: I) -> Self {
        Self {
            pipes,
            input: Arc::new(tokio::sync::Mutex::new(input)),
            buffer: Vec::new(),
            searched: 0,
            piece: vec![0; 16 << 10],
            unasked: Arc::default(),
            cause: Cause::default(),
        }
    }

    pub(super) fn cause(&self) -> Cause {
        self.cause.clone()
    }

    /// Takes a whole line from the buffer.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| self.searched + end) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.searched = 0;
        Some(self.buffer.drain(..=end).collect())
    }

    /// Returns the message of a line, if it matters. A server may print other lines. Its notifications change nothing here.
    fn message(&self, line: &[u8]) -> Option<RxJsonRpcMessage<RoleClient>> {
        let message = serde_json::from_slice::<RxJsonRpcMessage<RoleClient>>(line).ok()?;
        match message {
            JsonRpcMessage::Notification(_) => None,
            JsonRpcMessage::Request(_) => {
                let count = self.unasked.requests.fetch_add(1, Ordering::Relaxed);
                (count < REQUESTS_MAX).then_some(message)
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => Some(message),
        }
    }
}

impl<P: Pipes, I: Input> Transport<RoleClient> for Lines<P, I> {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if matches!(item, JsonRpcMessage::Request(_)) {
            self.unasked.bytes.store(0, Ordering::Relaxed);
            self.unasked.requests.store(0, Ordering::Relaxed);
        }
        let input = Arc::clone(&self.input);
        async move {
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            input.lock().await.write(line).await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            while let Some(line) = self.line() {
                if json_values(&line) > VALUES_MAX {
                    self.cause.set(format!("it wrote a message of more than {VALUES_MAX} JSON values"));
                    return None;
                }
                if let Some(message) = self.message(&line) {
                    return Some(message);
                }
            }
            if self.buffer.len() > LINE_MAX {
                self.cause.set(format!("it wrote a line of more than {} MiB", LINE_MAX >> 20));
                return None;
            }
            let count = match self.pipes.read(&mut self.piece).await {
                Ok(count @ 1..) => count,
                Ok(0) | Err(_) => {
                    let cause = self.pipes.cause().await;
                    self.cause.set(cause);
                    return None;
                }
            };
            self.buffer.extend_from_slice(&self.piece[..count]);
            if self.unasked.bytes.fetch_add(count, Ordering::Relaxed) + count > UNASKED_MAX {
                self.cause.set(format!("it wrote more than {} MiB for one request", UNASKED_MAX >> 20));
                return None;
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}
