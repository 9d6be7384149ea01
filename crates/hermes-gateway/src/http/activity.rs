//! The activity of a connection. hyper knows about a request when its head is complete. A drain has to know about it from the
//! first byte on, so [`Watched`] looks at the incoming bytes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use hermes_server::{Stream, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Vitals;

const IDLE: u8 = 0;
const RECEIVING: u8 = 1;
const ANSWERING: u8 = 2;

/// The phase of one connection: idle, receiving the head of a request, or answering it.
#[derive(Debug)]
pub(crate) struct Activity {
    vitals: Arc<Vitals>,
    transport: Transport,
    phase: AtomicU8,
}

impl Activity {
    /// Begins with the phase of a new connection.
    pub(crate) fn new(vitals: Arc<Vitals>, transport: Transport) -> Arc<Self> {
        vitals.connections(transport).fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { vitals, transport, phase: AtomicU8::new(IDLE) })
    }

    /// Tells whether a request has begun and its head is incomplete.
    pub(crate) fn is_half_received(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == RECEIVING
    }

    pub(crate) fn transport(&self) -> Transport {
        self.transport
    }

    fn begin_receiving(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.enter(RECEIVING);
        }
    }

    /// Records that the head is complete. Keep the returned guard until the whole answer has been sent.
    pub(crate) fn answering(self: &Arc<Self>) -> Answering {
        self.enter(ANSWERING);
        Answering { activity: Arc::clone(self) }
    }

    fn enter(&self, phase: u8) {
        let before = self.phase.swap(phase, Ordering::Relaxed);
        match (before == IDLE, phase == IDLE) {
            (true, false) => _ = self.vitals.in_flight().fetch_add(1, Ordering::Relaxed),
            (false, true) => _ = self.vitals.in_flight().fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.enter(IDLE);
        self.vitals.connections(self.transport).fetch_sub(1, Ordering::Relaxed);
    }
}

/// The guard of a request that is being answered.
#[derive(Debug)]
pub(crate) struct Answering {
    activity: Arc<Activity>,
}

impl Answering {
    /// Tells whether the gateway drains.
    pub(super) fn is_draining(&self) -> bool {
        self.activity.vitals.is_draining()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.activity.enter(IDLE);
    }
}

/// A connection that reports its incoming bytes. When a request arrives together with the one before it, only its complete head
/// is noticed.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) stream: Stream,
    pub(crate) activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            this.activity.begin_receiving();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
