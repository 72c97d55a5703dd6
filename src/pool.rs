//! The thread pool: a fixed number of threads that all do the same work. It knows nothing of mail.
//!
//! An item goes to the thread that became free last: what it needs is still in the processor's
//! cache. If none is free, the item waits in a short line. Whoever waits too long is taken out again
//! by [`Pool::next_overdue`], so that somebody can tell them.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The stack of one thread in octets; only the pages that are used take memory.
const STACK: usize = 256 * 1024;

/// A pool of threads for items of type `T`. Its threads end with the process.
pub struct Pool<T> {
    shared: Arc<Shared<T>>,
}

/// How many threads are at work, of how many; read by anybody at any time.
#[derive(Debug)]
pub struct Load {
    busy: AtomicUsize,
    pub threads: usize,
}

/// What the threads have in common.
struct Shared<T> {
    queue: Mutex<Queue<T>>,
    /// An item arrived, and no thread is free.
    jam: Condvar,
    load: Arc<Load>,
}

/// Either threads wait here for items, or items for a thread; never both.
struct Queue<T> {
    /// The desks of the threads that are free; the last of them became free last.
    free: Vec<Arc<Desk<T>>>,
    /// The items that wait for a thread, and since when.
    waiting: VecDeque<(Instant, T)>,
}

/// Where a thread that is free finds its next item.
struct Desk<T> {
    item: Mutex<Option<T>>,
    arrived: Condvar,
}

impl Load {
    pub fn new(threads: usize) -> Load {
        Load { busy: AtomicUsize::new(0), threads }
    }

    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Notes how many threads are at work.
    pub fn set_busy(&self, busy: usize) {
        self.busy.store(busy, Ordering::Relaxed);
    }
}

impl<T: Send + 'static> Pool<T> {
    /// Starts `load.threads` threads that do `work` with each item, and keeps `load` up to date.
    ///
    /// # Errors
    /// When the system has no more threads; the message says how many it had.
    pub fn new<F>(load: Arc<Load>, work: F) -> io::Result<Pool<T>>
    where
        F: Fn(T) + Send + Sync + 'static,
    {
        let threads = load.threads;
        let queue = Mutex::new(Queue { free: Vec::new(), waiting: VecDeque::new() });
        let shared = Arc::new(Shared { queue, jam: Condvar::new(), load });
        let work = Arc::new(work);
        for number in 1..=threads {
            let (shared, work) = (Arc::clone(&shared), Arc::clone(&work));
            let desk = Arc::new(Desk { item: Mutex::new(None), arrived: Condvar::new() });
            lock(&shared.queue).free.push(Arc::clone(&desk));
            thread::Builder::new()
                .name(format!("worker-{number}"))
                .stack_size(STACK)
                .spawn(move || shared.work_forever(&desk, &*work))
                .map_err(|e| io::Error::other(format!("thread {number} of {threads}: {e}")))?;
        }
        Ok(Pool { shared })
    }

    /// Gives `item` to a free thread, or lets it wait for one.
    ///
    /// # Errors
    /// Gives the item back when as many are waiting as there are threads.
    pub fn submit(&self, item: T) -> Result<(), T> {
        let mut queue = lock(&self.shared.queue);
        if let Some(desk) = queue.free.pop() {
            self.shared.note_load(&queue);
            drop(queue);
            desk.put(item);
            return Ok(());
        }
        if queue.waiting.len() >= self.shared.load.threads {
            return Err(item);
        }
        queue.waiting.push_back((Instant::now(), item));
        drop(queue);
        self.shared.jam.notify_one();
        Ok(())
    }

    /// Waits until an item has waited for `patience`, and takes it out of the line.
    pub fn next_overdue(&self, patience: Duration) -> T {
        let mut queue = lock(&self.shared.queue);
        loop {
            let Some((since, _)) = queue.waiting.front() else {
                queue = self.shared.jam.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = patience.saturating_sub(since.elapsed());
            if !left.is_zero() {
                let woken = self.shared.jam.wait_timeout(queue, left);
                (queue, _) = woken.unwrap_or_else(PoisonError::into_inner);
            } else if let Some((_, item)) = queue.waiting.pop_front() {
                return item;
            }
        }
    }

    /// Waits at most `patience` until every thread is free, and says if it came so.
    pub fn finish(&self, patience: Duration) -> bool {
        let began = Instant::now();
        loop {
            if lock(&self.shared.queue).free.len() == self.shared.load.threads {
                return true;
            }
            if began.elapsed() >= patience {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl<T> Shared<T> {
    /// The life of one thread.
    fn work_forever(&self, desk: &Arc<Desk<T>>, work: &impl Fn(T)) {
        let mut item = desk.take();
        loop {
            // A panic ends this item's work and not the thread; the item is dropped on the way.
            if catch_unwind(AssertUnwindSafe(|| do_work(work, item))).is_err() {
                log::error!("a panic ended a session; its thread goes on with the next");
            }
            item = self.next_item(desk);
        }
    }

    /// The item that waits longest. If none waits, the thread is free until one is put on its desk.
    fn next_item(&self, desk: &Arc<Desk<T>>) -> T {
        let mut queue = lock(&self.queue);
        if let Some((_, item)) = queue.waiting.pop_front() {
            return item;
        }
        queue.free.push(Arc::clone(desk));
        self.note_load(&queue);
        drop(queue);
        desk.take()
    }

    /// Notes how many threads are not free.
    fn note_load(&self, queue: &Queue<T>) {
        self.load.set_busy(self.load.threads - queue.free.len());
    }
}

impl<T> Desk<T> {
    /// Gives the thread its next item.
    fn put(&self, item: T) {
        *lock(&self.item) = Some(item);
        self.arrived.notify_one();
    }

    /// Waits for the next item.
    fn take(&self) -> T {
        let mut slot = lock(&self.item);
        loop {
            match slot.take() {
                Some(item) => return item,
                // `wait` opens the lock while it waits and closes it again before it returns.
                None => slot = self.arrived.wait(slot).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// Does the work on one item. It stays a function of its own when the compiler optimizes: as a part of
/// the loop around it, it would take its place on the stack of each thread that waits.
#[inline(never)]
fn do_work<T>(work: &impl Fn(T), item: T) {
    work(item);
}

/// Locks what threads share. No work is done under such a lock, so nobody holds it for long.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Receiver, Sender};

    const LONG: Duration = Duration::from_secs(10);

    /// A pool whose items are what they wait for: the work ends when the sender is dropped.
    fn waiting_pool(threads: usize) -> Pool<Receiver<()>> {
        Pool::new(Arc::new(Load::new(threads)), |until: Receiver<()>| _ = until.recv()).unwrap()
    }

    fn submit(pool: &Pool<Receiver<()>>) -> Sender<()> {
        let (sender, receiver) = mpsc::channel();
        assert!(pool.submit(receiver).is_ok());
        sender
    }

    #[test]
    fn every_item_is_worked_on_by_a_thread_with_a_name() {
        let (sender, done) = mpsc::channel();
        let load = Arc::new(Load::new(3));
        let seen = Arc::clone(&load);
        let pool = Pool::new(Arc::clone(&load), move |item: u32| {
            let name = thread::current().name().unwrap_or_default().to_owned();
            sender.send((item, name, seen.busy())).unwrap();
        })
        .unwrap();
        let mut items = Vec::new();
        for item in 0..100 {
            while pool.submit(item).is_err() {
                thread::yield_now();
            }
            let (item, name, busy) = done.recv_timeout(LONG).unwrap();
            assert!(name.starts_with("worker-"));
            assert!((1..=3).contains(&busy));
            items.push(item);
        }
        assert!(pool.finish(LONG));
        assert_eq!(load.busy(), 0);
        assert_eq!(items, Vec::from_iter(0..100));
    }

    #[test]
    fn the_thread_that_became_free_last_is_the_next_to_work() {
        let (sender, began) = mpsc::channel();
        let load = Arc::new(Load::new(3));
        let pool = Pool::new(Arc::clone(&load), move |until: Receiver<()>| {
            sender.send(thread::current().id()).unwrap();
            _ = until.recv();
        })
        .unwrap();
        let begin = || (submit(&pool), began.recv_timeout(LONG).unwrap());
        let mut items = [begin(), begin(), begin()];
        for (first, last) in [(0, 1), (2, 0), (1, 2), (2, 1)] {
            for (index, busy) in [(first, 2), (last, 1)] {
                // The item ends when its sender is gone.
                items[index].0 = mpsc::channel().0;
                while load.busy() > busy {
                    thread::yield_now();
                }
            }
            let (freed_first, freed_last) = (items[first].1, items[last].1);
            items[last] = begin();
            items[first] = begin();
            assert_eq!((items[last].1, items[first].1), (freed_last, freed_first));
        }
        drop(items);
    }

    #[test]
    fn a_panic_ends_one_item_and_no_thread() {
        let (sender, done) = mpsc::channel();
        let pool = Pool::new(Arc::new(Load::new(1)), move |item: u32| {
            assert_ne!(item, 1, "this panic belongs to the test");
            sender.send(item).unwrap();
        })
        .unwrap();
        for item in 0..3 {
            while pool.submit(item).is_err() {
                thread::yield_now();
            }
        }
        assert_eq!(done.recv_timeout(LONG), Ok(0));
        assert_eq!(done.recv_timeout(LONG), Ok(2));
        assert!(pool.finish(LONG), "the panic left no thread busy");
    }

    #[test]
    fn an_item_that_waits_too_long_is_given_back() {
        let pool = waiting_pool(1);
        let first = submit(&pool);
        let began = Instant::now();
        let second = submit(&pool);
        let overdue = pool.next_overdue(Duration::from_millis(50));
        assert!(began.elapsed() >= Duration::from_millis(50));
        drop(second);
        assert!(overdue.recv().is_err(), "it is the second item");
        assert!(!pool.finish(Duration::ZERO));
        drop(first);
        assert!(pool.finish(LONG));
    }

    #[test]
    fn an_item_that_waits_gets_the_thread_that_becomes_free() {
        let pool = waiting_pool(1);
        let (first, second) = (submit(&pool), submit(&pool));
        drop(first);
        drop(second);
        assert!(pool.finish(LONG));
    }

    #[test]
    fn the_line_of_those_who_wait_is_bounded() {
        let pool = waiting_pool(2);
        let mut senders = Vec::new();
        let mut refused = 0;
        for _ in 0..100 {
            let (sender, receiver) = mpsc::channel();
            senders.push(sender);
            refused += usize::from(pool.submit(receiver).is_err());
        }
        assert!((96..=98).contains(&refused), "{refused} of 100 refused");
        drop(senders);
        assert!(pool.finish(LONG));
    }
}
