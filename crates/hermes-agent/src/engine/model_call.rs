//! A model call that runs, and its news.

use std::future::pending;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, Interval};

use crate::provider::{ModelAnswer, ProviderError};
use crate::store::Reservation;

/// The interval of [`Event::Waiting`].
pub(super) const WAITING_INTERVAL: Duration = Duration::from_secs(5);

/// A running model call.
pub(super) struct ModelCall<'e> {
    pub(super) reservation: Option<Reservation>,
    pub(super) future: BoxFuture<'e, Result<ModelAnswer, ProviderError>>,
    pub(super) model: String,
    pub(super) began: Instant,
    pub(super) ticks: Interval,
    /// The text that the user has seen.
    pub(super) text: String,
    pub(super) is_visible: bool,
}

/// News of a model call.
pub(super) enum News {
    /// It ended.
    Ended(Result<ModelAnswer, ProviderError>),
    /// It has sent nothing for the user yet.
    Waits {
        /// Its age.
        seconds: u64,
    },
}

pub(super) async fn news_of(call: &mut Option<ModelCall<'_>>) -> News {
    let Some(call) = call else { return pending().await };
    tokio::select! {
        biased;
        answer = &mut call.future => News::Ended(answer),
        _ = call.ticks.tick(), if !call.is_visible => News::Waits { seconds: call.began.elapsed().as_secs() },
    }
}
