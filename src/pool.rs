//! The thread pool: a fixed number of threads that all do the same work. It knows nothing of mail.
//!
//! Each thread receives its items from a channel of its own. An item goes to the thread that became
//! free last: what this thread needs is still in the processor's cache. If no thread is free, the
//! item waits in a line of limited length. [`Pool::next_overdue`] takes out an item that has waited
//! too long.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvError, SendError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The stack of one thread in octets; only the pages that are used take memory.
const STACK: usize = 256 * 1024;

/// A pool of threads for items of type `T`. Its threads end with the process.
pub struct Pool<T> {
    queue: Mutex<Queue<T>>,
    /// Notified when an item begins to wait.
    item_waits: Condvar,
    load: Arc<Load>,
}

/// How many threads are at work, of how many, and how many items wait for one. Any thread may read
/// it at any time.
#[derive(Debug)]
pub struct Load {
    busy: AtomicUsize,
    waiting: AtomicUsize,
    pub threads: usize,
}

/// The free threads and the waiting items. One of the two lists is always empty.
struct Queue<T> {
    /// For each free thread, the sender of its channel. The last thread became free last.
    free: Vec<SyncSender<T>>,
    /// The items that wait for a thread, and since when. The first has waited longest.
    waiting: VecDeque<(Instant, T)>,
}

impl Load {
    pub fn new(threads: usize) -> Load {
        Load { busy: AtomicUsize::new(0), waiting: AtomicUsize::new(0), threads }
    }

    pub fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Notes how many threads are at work.
    pub fn set_busy(&self, busy: usize) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Whether an item waits for a thread.
    pub fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Notes how many items wait for a thread.
    pub fn set_waiting(&self, waiting: usize) {
        self.waiting.store(waiting, Ordering::Relaxed);
    }
}

impl<T: Send + 'static> Pool<T> {
    /// Starts `load.threads` threads that do `work` with each item, and keeps `load` up to date.
    ///
    /// # Errors
    /// When the system has no more threads; the message says how many it had.
    pub fn new<F>(load: Arc<Load>, work: F) -> io::Result<Arc<Pool<T>>>
    where
        F: Fn(T) + Send + Sync + 'static,
    {
        let threads = load.threads;
        let queue = Mutex::new(Queue { free: Vec::new(), waiting: VecDeque::new() });
        let pool = Arc::new(Pool { queue, item_waits: Condvar::new(), load });
        let work = Arc::new(work);
        for number in 1..=threads {
            // `sync_channel` takes a bound. One is enough: a thread that has an item is not free.
            let (sender, items) = sync_channel(1);
            pool.lock().free.push(sender.clone());
            let (pool, work) = (Arc::clone(&pool), Arc::clone(&work));
            thread::Builder::new()
                .name(format!("worker-{number}"))
                .stack_size(STACK)
                .spawn(move || pool.work_forever(&sender, items, &*work))
                .map_err(|e| io::Error::other(format!("thread {number} of {threads}: {e}")))?;
        }
        Ok(pool)
    }

    /// Gives `item` to a free thread, or lets it wait for one.
    ///
    /// # Errors
    /// Gives the item back when as many are waiting as there are threads.
    pub fn submit(&self, item: T) -> Result<(), T> {
        let mut queue = self.lock();
        if let Some(sender) = queue.free.pop() {
            self.note_load(&queue);
            // Unlocked first: the thread that wakes up may need the lock soon.
            drop(queue);
            // This does not wait: the channel of a free thread is empty.
            return sender.send(item).map_err(|SendError(item)| item);
        }
        if queue.waiting.len() >= self.load.threads {
            return Err(item);
        }
        queue.waiting.push_back((Instant::now(), item));
        self.note_load(&queue);
        drop(queue);
        self.item_waits.notify_one();
        Ok(())
    }

    /// Waits until an item has waited for `patience`, and takes it out of the line.
    pub fn next_overdue(&self, patience: Duration) -> T {
        let mut queue = self.lock();
        loop {
            let Some((since, _)) = queue.waiting.front() else {
                // `wait` unlocks the queue while it waits, and locks it again before it returns.
                queue = self.item_waits.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = patience.saturating_sub(since.elapsed());
            if !left.is_zero() {
                let woken = self.item_waits.wait_timeout(queue, left);
                (queue, _) = woken.unwrap_or_else(PoisonError::into_inner);
            } else if let Some((_, item)) = queue.waiting.pop_front() {
                self.note_load(&queue);
                return item;
            }
        }
    }

    /// Waits at most `patience` until every thread is free, and returns whether they all are.
    pub fn wait_until_free(&self, patience: Duration) -> bool {
        let began = Instant::now();
        while self.lock().free.len() < self.load.threads {
            if began.elapsed() >= patience {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// The life of one thread. `sender` and `items` are the two ends of its channel.
    fn work_forever(&self, sender: &SyncSender<T>, items: Receiver<T>, work: &impl Fn(T)) {
        let mut next = items.recv();
        // `recv` fails when all senders are gone. This never happens: the thread itself keeps one.
        while let Ok(item) = next {
            // A panic ends this item's work and not the thread; the item is dropped on the way.
            if catch_unwind(AssertUnwindSafe(|| do_work(work, item))).is_err() {
                log::error!("a panic ended a session; its thread goes on with the next");
            }
            next = self.next_item(sender, &items);
        }
    }

    /// Takes the item that has waited longest. If none waits, the thread is free until it gets one.
    fn next_item(&self, sender: &SyncSender<T>, items: &Receiver<T>) -> Result<T, RecvError> {
        let mut queue = self.lock();
        if let Some((_, item)) = queue.waiting.pop_front() {
            self.note_load(&queue);
            return Ok(item);
        }
        queue.free.push(sender.clone());
        self.note_load(&queue);
        drop(queue);
        items.recv()
    }

    /// Notes how many threads are not free, and how many items wait.
    fn note_load(&self, queue: &Queue<T>) {
        self.load.set_busy(self.load.threads - queue.free.len());
        self.load.set_waiting(queue.waiting.len());
    }

    /// Locks the queue. No work is done under this lock, so nobody holds it for long.
    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does the work on one item. It stays a function of its own when the compiler optimizes: as a part of
/// the loop around it, it would take its place on the stack of each thread that waits.
#[inline(never)]
fn do_work<T>(work: &impl Fn(T), item: T) {
    work(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Sender};

    const LONG: Duration = Duration::from_secs(10);

    /// A pool whose items are what they wait for: the work ends when the sender is dropped.
    fn waiting_pool(threads: usize) -> Arc<Pool<Receiver<()>>> {
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
        assert!(pool.wait_until_free(LONG));
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
        assert!(pool.wait_until_free(LONG), "the panic left no thread busy");
    }

    #[test]
    fn an_item_that_waits_too_long_is_given_back() {
        let pool = waiting_pool(1);
        let first = submit(&pool);
        let began = Instant::now();
        assert!(!pool.load.is_awaited());
        let second = submit(&pool);
        assert!(pool.load.is_awaited());
        let overdue = pool.next_overdue(Duration::from_millis(50));
        assert!(!pool.load.is_awaited());
        assert!(began.elapsed() >= Duration::from_millis(50));
        drop(second);
        assert!(overdue.recv().is_err(), "it is the second item");
        assert!(!pool.wait_until_free(Duration::ZERO));
        drop(first);
        assert!(pool.wait_until_free(LONG));
    }

    #[test]
    fn an_item_that_waits_gets_the_thread_that_becomes_free() {
        let pool = waiting_pool(1);
        let (first, second) = (submit(&pool), submit(&pool));
        drop(first);
        let began = Instant::now();
        while pool.load.is_awaited() {
            assert!(began.elapsed() < LONG, "the second item waits");
            thread::yield_now();
        }
        // This ends the work on the second item, once a thread has it.
        assert_eq!(second.send(()), Ok(()));
        assert!(pool.wait_until_free(LONG));
        assert!(second.send(()).is_err(), "the second item is still in the line");
    }

    #[test]
    fn the_item_that_has_waited_longest_leaves_the_line_first() {
        let (sender, began) = mpsc::channel();
        let work = move |(number, until): (u32, Receiver<()>)| {
            sender.send(number).unwrap();
            _ = until.recv();
        };
        let pool = Pool::new(Arc::new(Load::new(3)), work).unwrap();
        let mut senders = VecDeque::new();
        for number in 1..=6 {
            let (sender, receiver) = mpsc::channel();
            senders.push_back(sender);
            assert!(pool.submit((number, receiver)).is_ok());
        }
        for _ in 1..=3 {
            assert!(began.recv_timeout(LONG).unwrap() <= 3);
        }
        assert_eq!(pool.next_overdue(Duration::ZERO).0, 4);
        for number in 5..=6 {
            // One of the first three items ends, and its thread becomes free.
            senders.pop_front();
            assert_eq!(began.recv_timeout(LONG), Ok(number));
        }
        drop(senders);
        assert!(pool.wait_until_free(LONG));
    }

    #[test]
    fn the_pool_has_finished_when_every_thread_is_free() {
        let pool = waiting_pool(2);
        assert!(pool.wait_until_free(Duration::ZERO));
        let item = submit(&pool);
        assert!(!pool.wait_until_free(Duration::from_millis(50)), "one thread of two is free");
        drop(item);
        assert!(pool.wait_until_free(LONG));
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
        assert_eq!(refused, 96, "two items are worked on, and two wait");
        drop(senders);
        assert!(pool.wait_until_free(LONG));
    }
}
