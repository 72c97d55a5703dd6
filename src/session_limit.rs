//! How many sessions each address has, so that one host cannot take all the threads.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The sessions that run, counted by the client's address.
#[derive(Debug, Clone)]
pub struct SessionLimit {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// The most sessions from one address; 0 is no limit.
    limit: usize,
}

/// The admission of one client. Dropping it makes room for another, however the session ended.
#[derive(Debug)]
pub struct Admission {
    session_limit: SessionLimit,
    address: IpAddr,
}

impl SessionLimit {
    pub fn new(limit: usize) -> SessionLimit {
        SessionLimit { counts: Arc::default(), limit }
    }

    /// Admits a client, unless its address has as many sessions as it may have.
    pub fn admit(&self, address: IpAddr) -> Option<Admission> {
        // An IPv6 socket shows an IPv4 client as `::ffff:127.0.0.1`.
        let address = address.to_canonical();
        let mut counts = self.lock();
        let count = counts.entry(address).or_default();
        if self.limit > 0 && *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Admission { session_limit: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut counts = self.session_limit.lock();
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
    fn an_address_has_as_many_sessions_as_the_limit_and_more_when_one_ends() {
        let session_limit = SessionLimit::new(2);
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = session_limit.admit(here);
        let _second = session_limit.admit(here);
        assert!(session_limit.admit(here).is_none());
        assert!(session_limit.admit(there).is_some());
        drop(first);
        assert!(session_limit.admit(here).is_some());
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_is_counted_by_its_ipv4_address() {
        let session_limit = SessionLimit::new(1);
        let mapped = IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x7f00, 1]);
        let first = session_limit.admit(IpAddr::from([127, 0, 0, 1]));
        assert!(session_limit.admit(mapped).is_none());
        drop(first);
        assert!(session_limit.admit(mapped).is_some());
    }

    #[test]
    fn without_a_limit_everybody_comes_in_and_nobody_is_remembered() {
        let session_limit = SessionLimit::new(0);
        let address = IpAddr::from([127, 0, 0, 1]);
        let admissions: Vec<_> = (0..100).map(|_| session_limit.admit(address)).collect();
        assert!(admissions.iter().all(Option::is_some));
        drop(admissions);
        assert!(session_limit.lock().is_empty());
    }
}
