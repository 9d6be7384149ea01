//! The verification of a credential, and the delay after wrong ones.
//!
//! A token is compared and never throttled: 256 bits cannot be guessed. A password is hashed in the queue and throttled for each
//! client.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hermes_operations::{Report, ReportKind};

use super::attempts::{Client, Turn, Way};
use super::credentials::InForce;
use super::password::digest_of;
use super::queue::Place;
use super::{Gate, Verifier, equal};
use crate::site::Site;

/// The credential in a request.
pub(crate) enum Given {
    Token(String),
    Password { user: String, password: String },
}

/// Tells whether the gate in force opens for a credential that is meant for the dashboard. Returns the gate's generation if so.
///
/// # Errors
/// The client failed too often, or too many try at once.
pub(crate) async fn admits(
    site: &Arc<Site>,
    address: IpAddr,
    way: Way,
    given: Given,
) -> Result<Option<u64>, Report> {
    let in_force = site.credentials.in_force();
    let is_right = match (&in_force.gate, given) {
        (Gate::Token(token), Given::Token(given)) => equal(given.trim(), token),
        // In a form with a name and a password, the token is the password.
        (Gate::Token(token), Given::Password { password, .. }) => equal(password.trim(), token),
        (Gate::Password(verifier), Given::Password { user, password }) => {
            // A proxy in front may have a login of its own, whose header arrives here as well: it is no attempt.
            if way == Way::Header && !verifier.is_of_user(&user) {
                return Ok(None);
            }
            let verifier = verifier.clone();
            verify(site, Client::new(address, way), in_force.generation, verifier, (user, password)).await?
        }
        (Gate::Password(_) | Gate::Open { .. } | Gate::Shut, _) => false,
    };
    // The credential may have been revoked while its hash was made.
    Ok((is_right && holds(site, in_force.generation)).then_some(in_force.generation))
}

/// Tells whether the gate of this generation is still in force.
pub(crate) fn holds(site: &Site, generation: u64) -> bool {
    let now: Arc<InForce> = site.credentials.in_force();
    now.generation == generation
}

async fn verify(
    site: &Arc<Site>,
    client: Client,
    generation: u64,
    verifier: Verifier,
    (user, password): (String, String),
) -> Result<bool, Report> {
    let attempt =
        Attempt { client, generation, digest: digest_of(&user, &password), verifier, user, password };
    if let Some(known) = attempt.known(site)? {
        return Ok(known);
    }
    let place = site.queue.enter(client.network()).map_err(|_| overloaded())?;
    let site = Arc::clone(site);
    // A task of its own: a client that goes away neither frees the turn of a hash that is being made, nor escapes the count.
    let attempt = tokio::spawn(async move { attempt.make(&site, &place).await });
    attempt.await.unwrap_or_else(|_| Err(overloaded()))
}

struct Attempt {
    client: Client,
    generation: u64,
    digest: String,
    verifier: Verifier,
    user: String,
    password: String,
}

impl Attempt {
    async fn make(self, site: &Arc<Site>, place: &Place) -> Result<bool, Report> {
        let turn = place.turn().await.map_err(|_| overloaded())?;
        // An earlier attempt in the queue may have decided it.
        if let Some(known) = self.known(site)? {
            return Ok(known);
        }
        let (client, guess) = (self.client, self.guess());
        let verified =
            tokio::task::spawn_blocking(move || (self.verifier.verify(&self.user, &self.password), turn));
        // The next turn begins when this attempt is counted.
        let (is_right, _turn) = verified.await.map_err(|_| overloaded())?;
        if is_right {
            site.attempts.succeeded(client);
        } else {
            site.attempts.failed(client, guess, Instant::now());
        }
        Ok(is_right)
    }

    /// Returns the verdict that needs no hash. The delay comes first: no client that guesses learns that it guessed right.
    fn known(&self, site: &Site) -> Result<Option<bool>, Report> {
        match site.attempts.turn(self.client, &self.guess(), Instant::now()) {
            Turn::Wait(wait) => Err(too_many(wait)),
            Turn::KnownWrong => Ok(Some(false)),
            Turn::Try if self.verifier.was_right(&self.digest) => {
                site.attempts.succeeded(self.client);
                Ok(Some(true))
            }
            Turn::Try => Ok(None),
        }
    }

    /// A credential that was wrong may be right at another gate.
    fn guess(&self) -> String {
        format!("{} {}", self.generation, self.digest)
    }
}

fn too_many(wait: Duration) -> Report {
    let seconds = wait.as_secs() + 1;
    let failure =
        Report::new(ReportKind::TooManyAttempts, "too many failed attempts to log in from this address");
    failure.hint(format!("try again in {}", crate::span::span(seconds)))
}

fn overloaded() -> Report {
    Report::new(ReportKind::TryAgain, "too many attempts to log in at the same time")
        .hint("try again in a moment")
}
