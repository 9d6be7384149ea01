//! Whether a connection is in a request. hyper knows it from the moment when the head is complete; a stop has to know it from
//! the first byte on, so the bytes are watched on their way in.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use hermes_server::WriteTimeout;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Vitals;
use crate::listen::{Door, Stream};

const IDLE: u8 = 0;
const RECEIVING: u8 = 1;
const ANSWERING: u8 = 2;

/// What one connection is at: nothing, receiving the head of a request, or answering it.
#[derive(Debug)]
pub(crate) struct Activity {
    vitals: Arc<Vitals>,
    door: Door,
    phase: AtomicU8,
}

impl Activity {
    /// That of a connection that was just made.
    pub(crate) fn new(vitals: Arc<Vitals>, door: Door) -> Arc<Self> {
        vitals.connections(door).fetch_add(1, Ordering::Relaxed);
        Arc::new(Self { vitals, door, phase: AtomicU8::new(IDLE) })
    }

    /// Whether a request has begun and its head is not complete.
    pub(crate) fn is_half_received(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == RECEIVING
    }

    pub(crate) fn door(&self) -> Door {
        self.door
    }

    pub(crate) fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    fn bytes_arrived(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.enter(RECEIVING);
        }
    }

    /// The head is complete. What this gives is to be kept until the answer has been handed over whole.
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
        self.vitals.connections(self.door).fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request is being answered, until this is dropped.
#[derive(Debug)]
pub(crate) struct Answering {
    activity: Arc<Activity>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.activity.enter(IDLE);
    }
}

/// A connection whose incoming bytes are watched. Of a request that came in one piece with the one before it, only a complete
/// head is seen.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) stream: WriteTimeout<Stream>,
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
            this.activity.bytes_arrived();
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
