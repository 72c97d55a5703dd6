//! How many clients each address has here, so that one host cannot take all the threads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The clients that are here, counted by their address.
#[derive(Debug, Clone)]
pub struct Guests {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// The most clients from one address; 0 is no limit.
    limit: usize,
}

/// One client's place. Dropping it gives the place back, however the session ended.
#[derive(Debug)]
pub struct Place {
    guests: Guests,
    address: IpAddr,
}

impl Guests {
    pub fn new(limit: usize) -> Guests {
        Guests { counts: Arc::default(), limit }
    }

    /// Lets a client in, unless its address has as many as it may.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut counts = self.lock();
        let count = counts.entry(address).or_default();
        if self.limit > 0 && *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Place { guests: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.guests.lock();
        if let Entry::Occupied(mut entry) = counts.entry(self.address) {
            *entry.get_mut() -= 1;
            // An address that has nobody here takes no memory.
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_places_as_the_limit_and_gets_them_back() {
        let guests = Guests::new(2);
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = guests.enter(here);
        let _second = guests.enter(here);
        assert!(guests.enter(here).is_none());
        assert!(guests.enter(there).is_some());
        drop(first);
        assert!(guests.enter(here).is_some());
    }

    #[test]
    fn without_a_limit_everybody_comes_in_and_nobody_is_remembered() {
        let guests = Guests::new(0);
        let address = IpAddr::from([127, 0, 0, 1]);
        let places: Vec<_> = (0..100).map(|_| guests.enter(address)).collect();
        assert!(places.iter().all(Option::is_some));
        drop(places);
        assert!(guests.lock().is_empty());
    }
}
