//! The queue before the hashing of passwords. It bounds the work that strangers can cause: one hash at a time, few that wait, and
//! for each client only a part of those.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::attempts::network_of;

/// Attempts that may wait or be under way.
const PLACES_MAX: usize = 64;
/// Attempts of one network among them.
const PLACES_OF_ONE_MAX: usize = 24;

/// The queue.
#[derive(Debug)]
pub(crate) struct Queue {
    turn: Arc<Semaphore>,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place in the queue, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    queue: Arc<Queue>,
    network: IpAddr,
}

/// The queue is full.
#[derive(Debug)]
pub(crate) struct Overloaded;

impl Queue {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { turn: Arc::new(Semaphore::new(1)), taken: Mutex::default() })
    }

    /// Takes a place for a client of this address.
    ///
    /// # Errors
    /// The queue is full, or the client has too many places already.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Place, Overloaded> {
        let network = network_of(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let of_one = taken.get(&network).copied().unwrap_or_default();
        if all >= PLACES_MAX || of_one >= PLACES_OF_ONE_MAX {
            return Err(Overloaded);
        }
        taken.insert(network, of_one + 1);
        Ok(Place { queue: Arc::clone(self), network })
    }
}

impl Place {
    /// Waits for the turn. The work has to hold the permit until it ends, whatever becomes of the client.
    pub(crate) async fn turn(&self) -> Result<OwnedSemaphorePermit, Overloaded> {
        Arc::clone(&self.queue.turn).acquire_owned().await.map_err(|_| Overloaded)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.queue.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_leaves_places_for_others_and_all_are_bounded() {
        let queue = Queue::new();
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mut places: Vec<_> = (0..PLACES_OF_ONE_MAX).map(|_| queue.enter(address(1)).unwrap()).collect();
        queue.enter(address(1)).unwrap_err();
        let others = (2..=u8::MAX).map_while(|last| queue.enter(address(last)).ok());
        places.extend(others);
        assert_eq!(places.len(), PLACES_MAX);
        drop(places);
        queue.enter(address(1)).unwrap();
        assert!(queue.taken.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn turns_come_one_at_a_time() {
        let queue = Queue::new();
        let (one, other) =
            (queue.enter([1, 1, 1, 1].into()).unwrap(), queue.enter([2, 2, 2, 2].into()).unwrap());
        let turn = one.turn().await.unwrap();
        let waits = tokio::time::timeout(std::time::Duration::from_millis(20), other.turn()).await;
        assert!(waits.is_err());
        drop(turn);
        let _turn = other.turn().await.unwrap();
    }
}
