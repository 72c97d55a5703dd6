//! The queue of a domain whose mail is sent on: the Maildir `<domain>/@queue/` (§4.5.4.1).
//!
//! A file is one message, with its envelope in front. Its name tells when it arrived, and its
//! modification time when it is tried next: `touch` tries it now, `rm` gives it up. Several servers may
//! share a tree: whoever sends a message has locked its file.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::delivery::{at, create_file, create_maildir, rename, rename_to_free, sync_folder};
use super::{Mailbox, MailboxTree, StoreError, StoredMessage, look, note};
use crate::address::{Address, ForwardPath, ReversePath, parse_forward_path, parse_reverse_path};

/// The folder, which no user's can be: names from the network hold no `@`.
pub const FOLDER: &str = "@queue";
/// The note that says where a domain's mail is sent on to.
const NEXT_HOP: &str = "next-hop";

/// The queue of one domain.
#[derive(Debug)]
pub struct Queue {
    pub domain: String,
    /// The Maildir that it is.
    pub(super) mailbox: Mailbox,
}

/// When a message is tried, and for how long (§4.5.4.1).
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    /// The shortest time between two tries.
    pub retry: Duration,
    /// The age after which one more try is the last.
    pub give_up: Duration,
}

/// A message in a queue, which this process has locked as long as it has this.
#[derive(Debug)]
pub struct Queued<'a> {
    queue: &'a Queue,
    pub path: PathBuf,
    file: File,
    next_try: SystemTime,
    pub arrived: SystemTime,
    pub reverse_path: ReversePath,
    pub recipients: Vec<Address>,
    /// Where the text begins in the file.
    text_at: u64,
}

impl MailboxTree {
    /// The queues that there are: a domain has one from its first message on.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn queues(&self) -> io::Result<Vec<Queue>> {
        let mut queues: Vec<Queue> = self.domains()?.iter().map(|d| self.queue(d)).collect();
        queues.retain(|queue| look::at_folder(&queue.mailbox.folder, "new").is_ok());
        Ok(queues)
    }

    /// The queue for a domain whose mail is sent on, wherever to.
    pub(super) fn queue_of(&self, domain: &str) -> io::Result<Option<Queue>> {
        let queue = self.queue(domain);
        match fs::symlink_metadata(self.root.join(domain).join(NEXT_HOP)) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            looked => looked.map(|_| Some(queue)),
        }
    }

    /// Where the queue of a domain is, if there is one.
    fn queue(&self, domain: &str) -> Queue {
        let folder = self.root.join(domain).join(FOLDER);
        Queue { domain: domain.to_owned(), mailbox: Mailbox { folder, elsewhere: None } }
    }

    /// For each domain whose mail is sent on, what is wrong with its next hops, if anything is.
    ///
    /// # Errors
    /// When the tree cannot be read.
    pub fn routes(&self) -> io::Result<Vec<Result<(), String>>> {
        let mut routes = Vec::new();
        for domain in self.domains()? {
            let queue = self.queue_of(&domain).ok().flatten();
            routes.extend(queue.map(|queue| queue.next_hops().map(drop)));
            let misnamed = self.root.join(domain).join("next-hop.txt");
            let advice = format!("{} is not read: its name must be next-hop", misnamed.display());
            routes.extend(misnamed.exists().then_some(Err(advice)));
        }
        Ok(routes)
    }
}

impl Queue {
    /// The next hops of the domain, in the order in which they are tried. A line that begins with `#` is
    /// a comment.
    ///
    /// # Errors
    /// One line that says what to mend, if there is none, or anything else among them.
    pub fn next_hops(&self) -> Result<Vec<String>, String> {
        let path = self.mailbox.folder.with_file_name(NEXT_HOP);
        let mut hops = note::read_lines(&path).map_err(|e| at(&path, e).to_string())?;
        hops.retain(|line| !line.starts_with('#'));
        let is_hop = |line: &String| {
            let (host, port) = line.rsplit_once(':').unwrap_or_default();
            let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
            is_port && !host.is_empty() && line.bytes().all(|octet| octet.is_ascii_graphic())
        };
        match hops.iter().find(|line| !is_hop(line)) {
            Some(line) => {
                Err(format!("{}: {line:?} is no host:port such as 127.0.0.1:2526", path.display()))
            }
            None if hops.is_empty() => {
                Err(format!("{} has no line such as 127.0.0.1:2526", path.display()))
            }
            None => Ok(hops),
        }
    }

    /// Counts the messages, and lists those that are due, the one that is due for longest last: one that
    /// keeps the next hop busy for long is not tried again before all others were.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn due(&self, schedule: &Schedule) -> io::Result<(u64, Vec<PathBuf>)> {
        let (now, mut count, mut due) = (SystemTime::now(), 0, Vec::new());
        for entry in fs::read_dir(look::at_folder(&self.mailbox.folder, "new")?)? {
            let entry = entry?;
            count += 1;
            // What is gone in the meantime was sent by somebody else.
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            if let Some(next_try) = modified.ok().filter(|&time| schedule.is_due(time, now)) {
                due.push((next_try, entry.path()));
            }
        }
        due.sort_unstable_by(|a, b| b.cmp(a));
        Ok((count, due.into_iter().map(|(_, path)| path).collect()))
    }

    /// Locks a message, and notes that it is tried now; `None` if it is no longer due, or somebody else
    /// sends it. What is no message that can be sent moves to `cur/`.
    ///
    /// # Errors
    /// When files cannot be opened or changed now.
    pub fn take(&self, path: &Path, schedule: &Schedule) -> io::Result<Option<Queued<'_>>> {
        use ErrorKind::{InvalidData, InvalidInput, NotFound, Other, PermissionDenied, WouldBlock};

        match self.try_to_take(path, schedule) {
            Err(e) if [NotFound, WouldBlock].contains(&e.kind()) => Ok(None),
            // `Other` is a link, or a file that was replaced while it was opened: somebody else has put a
            // shorter copy there.
            Err(e) if e.kind() == Other && !path.is_symlink() => Ok(None),
            // These are about this file alone, and will be the same the next time.
            Err(e) if [InvalidData, InvalidInput, Other, PermissionDenied].contains(&e.kind()) => {
                let cur = look::at_folder(&self.mailbox.folder, "cur")?;
                rename_to_free(path, &cur.join(path.file_name().unwrap_or_default()))?;
                log::error!("{} is no message to send, and now in cur: {e}", path.display());
                Ok(None)
            }
            result => result.map_err(|e| at(path, e)),
        }
    }

    fn try_to_take(&self, path: &Path, schedule: &Schedule) -> io::Result<Option<Queued<'_>>> {
        look::at_folder(&self.mailbox.folder, "new")?;
        let (file, _) = look::open_file(path)?;
        file.try_lock()?;
        // Who had the lock before may have sent it, put another in its place, or tried it.
        let now = SystemTime::now();
        if !look::is_at(&file, path)? || !schedule.is_due(file.metadata()?.modified()?, now) {
            return Ok(None);
        }
        // The name begins with the second of the arrival. Without one, it counts as of 1970, and so is
        // given up after one try.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let seconds = name.split('.').next().and_then(|seconds| seconds.parse::<u32>().ok());
        let arrived = UNIX_EPOCH + Duration::from_secs(seconds.unwrap_or_default().into());
        let next_try = schedule.next_try(arrived, now);
        // The next try is noted before this one: a kill makes no try come sooner. Windows wants a file
        // that can be written.
        File::options().write(true).open(path)?.set_modified(next_try)?;
        let (reverse_path, recipients, text_at) = read_envelope(&file)?;
        let (queue, path) = (self, path.to_owned());
        Ok(Some(Queued { queue, path, file, next_try, arrived, reverse_path, recipients, text_at }))
    }
}

impl Schedule {
    /// Whether the time of the next try has come. A time that is further ahead than the longest wait counts
    /// as come: the clock was set back.
    fn is_due(&self, next_try: SystemTime, now: SystemTime) -> bool {
        next_try <= now || next_try > now + 60 * self.retry
    }

    /// Whether a message has waited so long that it is not tried again.
    pub fn is_over(&self, arrived: SystemTime) -> bool {
        arrived.elapsed().is_ok_and(|age| age >= self.give_up)
    }

    /// Each wait is as long as the message is old.
    ///
    /// Deviation: §4.5.4.1 wants half an hour at least; but here somebody is watching.
    fn next_try(&self, arrived: SystemTime, now: SystemTime) -> SystemTime {
        let age = now.duration_since(arrived).unwrap_or_default();
        let (next_try, end) =
            (now + age.clamp(self.retry, 60 * self.retry), arrived + self.give_up);
        // The last try is not much later than it must be.
        if now < end { next_try.min(end) } else { next_try }
    }
}

impl Queued<'_> {
    /// The text of the message, without the envelope, and its size on the wire.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn text(&self) -> io::Result<(StoredMessage<&File>, u64)> {
        let size = StoredMessage::new(self.file_at_text()?).size()?;
        Ok((StoredMessage::new(self.file_at_text()?), size))
    }

    /// Removes the message, which is done with, unless somebody else did.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(self) -> Result<(), StoreError> {
        if !self.is_there() {
            return Ok(());
        }
        fs::remove_file(&self.path).map_err(|e| self.failed(e))
    }

    /// Keeps a copy to these recipients in `cur/`, with the reasons in front of it. It takes the place of
    /// an earlier one to the same recipients, and no other's: its name ends in a number made of them.
    ///
    /// # Errors
    /// When there is no room for it; then nothing has changed.
    pub fn keep(&self, recipients: &[Address], reasons: &str) -> Result<(), StoreError> {
        let mut number = DefaultHasher::new();
        recipients.iter().for_each(|address| number.write(address.to_string().as_bytes()));
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}", number.finish()));
        let keep = || {
            let cur = look::at_folder(&self.queue.mailbox.folder, "cur")?;
            put(&self.copy(recipients, reasons)?, &cur.join(name))
        };
        keep().map_err(|e| self.failed(e))
    }

    /// Leaves the message to these recipients alone: a shorter copy takes its place in one step, unless
    /// somebody has removed it (`rm`).
    ///
    /// # Errors
    /// When there is no room for the copy; then nothing has changed.
    pub fn shorten(self, recipients: &[Address]) -> Result<(), StoreError> {
        let copy = self.copy(recipients, "").map_err(|e| self.failed(e))?;
        if !self.is_there() {
            return fs::remove_file(copy).map_err(|e| self.failed(e));
        }
        let Queued { path, file, .. } = self;
        // Windows replaces no file that is open. Who takes the message at this moment sends it once more.
        if cfg!(windows) {
            drop(file);
        }
        put(&copy, &path).map_err(|e| StoreError::logged(at(&path, e)))
    }

    /// Writes a copy to these recipients into `tmp/`. Its name tells the process, since another may write
    /// one where a lock ends too early.
    fn copy(&self, recipients: &[Address], reasons: &str) -> io::Result<PathBuf> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", std::process::id()));
        let queue = &self.queue.mailbox.folder;
        let tmp = look::at_folder(queue, "tmp").or_else(|_| {
            create_maildir(queue, true)?;
            look::at_folder(queue, "tmp")
        });
        let path = tmp?.join(name);
        let to = recipients.iter().map(|address| format!("Forward-Path: <{address}>\n"));
        let head =
            format!("{}{reasons}Return-Path: {}\n", to.collect::<String>(), self.reverse_path);
        // An error may have left one behind.
        let _ = fs::remove_file(&path);
        let write = || {
            let mut copy = create_file(&path)?;
            copy.write_all(head.as_bytes())?;
            io::copy(&mut self.file_at_text()?, &mut copy)?;
            copy.set_modified(self.next_try)?;
            copy.sync_all()
        };
        write().inspect_err(|_| {
            let _ = fs::remove_file(&path);
        })?;
        Ok(path)
    }

    /// Ends an error about the message in the log.
    pub fn failed(&self, error: io::Error) -> StoreError {
        StoreError::logged(at(&self.path, error))
    }

    /// Whether the message is still in its place, and nothing else.
    fn is_there(&self) -> bool {
        let new = look::at_folder(&self.queue.mailbox.folder, "new");
        new.is_ok_and(|_| look::is_at(&self.file, &self.path).unwrap_or(false))
    }

    fn file_at_text(&self) -> io::Result<&File> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.text_at))?;
        Ok(file)
    }
}

/// Moves a copy to its place, or away.
fn put(copy: &Path, place: &Path) -> io::Result<()> {
    rename(copy, place).inspect_err(|_| {
        let _ = fs::remove_file(copy);
    })?;
    place.parent().map_or(Ok(()), sync_folder)
}

/// Reads the envelope: who sent the message, to whom, and where its text begins.
fn read_envelope(file: &File) -> io::Result<(ReversePath, Vec<Address>, u64)> {
    let mut reader = BufReader::new(file);
    let (mut line, mut recipients, mut text_at) = (String::new(), Vec::new(), 0);
    loop {
        line.clear();
        text_at += reader.read_line(&mut line)? as u64;
        let (name, path) = line.trim_end().split_once(": ").unwrap_or_default();
        match (name, parse_forward_path(path), parse_reverse_path(path)) {
            ("Forward-Path", Ok((ForwardPath::Address(address), "")), _) => {
                recipients.push(address);
            }
            ("Return-Path", _, Ok((reverse_path, ""))) if !recipients.is_empty() => {
                return Ok((reverse_path, recipients, text_at));
            }
            // A message that was kept in `cur/` may be moved back.
            ("Reason", _, _) => {}
            _ => return Err(io::Error::new(ErrorKind::InvalidData, "it has no envelope in front")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    const SCHEDULE: Schedule =
        Schedule { retry: Duration::from_secs(5), give_up: Duration::from_secs(3600) };

    /// A tree that sends mail to b.vn on, and the message for these users there in its queue.
    fn queue(users: &[&str]) -> (Tree, MailboxTree, Queue) {
        let tree = Tree::empty();
        tree.add("b.vn");
        fs::write(tree.root().join("b.vn/next-hop"), "127.0.0.1:25\n").unwrap();
        let mailboxes = MailboxTree::new(tree.root(), "localhost", true);
        let queue = mailboxes.queue_of("b.vn").unwrap().unwrap();
        let mailbox = |user: &&str| {
            let address = Address { local_part: (*user).into(), domain: "b.vn".into() };
            Mailbox { elsewhere: Some(address), ..queue.mailbox.clone() }
        };
        let users: Vec<Mailbox> = users.iter().map(mailbox).collect();
        let mut delivery = mailboxes.deliver(&users).unwrap();
        delivery.append_line(b"Return-Path: <an@a.vn>").unwrap();
        delivery.append_line(b"a: b\n\nReturn-Path: <forged@a.vn>\n\xff").unwrap();
        delivery.publish().unwrap();
        let queue = mailboxes.queues().unwrap().pop().unwrap();
        (tree, mailboxes, queue)
    }

    const TEXT: &[u8] = b"a: b\n\nReturn-Path: <forged@a.vn>\n\xff\n";

    /// Everything is due.
    const ALWAYS: Schedule = Schedule { retry: Duration::ZERO, give_up: Duration::ZERO };

    fn only(queue: &Queue) -> PathBuf {
        let (_, mut paths) = queue.due(&ALWAYS).unwrap();
        assert_eq!(paths.len(), 1);
        paths.remove(0)
    }

    fn count(queue: &Queue) -> u64 {
        queue.due(&ALWAYS).unwrap().0
    }

    fn set_modified(path: &Path, time: SystemTime) {
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    fn first_line(path: &Path) -> String {
        let content = fs::read(path).unwrap();
        String::from_utf8_lossy(&content).lines().next().unwrap().to_owned()
    }

    fn wait_of(path: &Path) -> Duration {
        let next_try = fs::metadata(path).unwrap().modified().unwrap();
        next_try.duration_since(SystemTime::now()).unwrap_or_default()
    }

    #[test]
    fn a_message_is_taken_by_one_at_a_time_and_noted_before_it_is_tried() {
        let (_tree, _, queue) = queue(&["lan", "minh"]);
        assert_eq!(queue.domain, "b.vn");
        let path = only(&queue);
        let taken = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        assert!(wait_of(&path) > Duration::from_secs(4), "noted");
        assert_eq!(taken.reverse_path.to_string(), "<an@a.vn>");
        assert_eq!(taken.recipients.len(), 2);
        assert_eq!(taken.recipients[1].to_string(), "minh@b.vn");
        let (mut text, size) = taken.text().unwrap();
        assert_eq!(size, 39);
        assert_eq!(text.next().unwrap().unwrap().octets, b"a: b");
        set_modified(&path, SystemTime::now());
        assert!(queue.take(&path, &SCHEDULE).unwrap().is_none(), "it is locked");
        drop(taken);
        assert!(queue.take(&path, &SCHEDULE).unwrap().is_some());
        assert!(queue.take(&path, &SCHEDULE).unwrap().is_none(), "it is not due");
    }

    #[test]
    fn the_next_wait_is_as_long_as_the_message_is_old() {
        let seconds = |s| UNIX_EPOCH + Duration::from_secs(s);
        for (age, wait) in
            [(0, 5), (4, 5), (7, 7), (299, 299), (300, 300), (3500, 100), (9999, 300)]
        {
            assert_eq!(
                SCHEDULE.next_try(seconds(1000), seconds(1000 + age)),
                seconds(1000 + age + wait)
            );
        }
        assert_eq!(
            SCHEDULE.next_try(seconds(1000), seconds(10)),
            seconds(15),
            "the clock went back"
        );
        for (next_try, is_due) in
            [(999, true), (1000, true), (1001, false), (1300, false), (1301, true)]
        {
            assert_eq!(SCHEDULE.is_due(seconds(next_try), seconds(1000)), is_due, "{next_try}");
        }
        let now = SystemTime::now();
        assert!(!SCHEDULE.is_over(now - Duration::from_secs(3500)));
        assert!(SCHEDULE.is_over(now - Duration::from_secs(3600)));
        assert!(!SCHEDULE.is_over(now + Duration::from_secs(3600)), "the clock went back");
    }

    #[test]
    fn a_shorter_copy_takes_the_place_of_the_message_in_one_step() {
        let (tree, _, queue) = queue(&["lan", "minh", "nam"]);
        let path = only(&queue);
        let taken = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        let due = wait_of(&path);
        let minh = taken.recipients[1].clone();
        taken.shorten(&[minh]).unwrap();
        assert_eq!(tree.files(), *std::slice::from_ref(&path));
        let envelope = b"Forward-Path: <minh@b.vn>\nReturn-Path: <an@a.vn>\n";
        assert_eq!(fs::read(&path).unwrap(), [&envelope[..], TEXT].concat());
        assert!(
            wait_of(&path).abs_diff(due) < Duration::from_secs(2),
            "it is tried when it was noted"
        );
        set_modified(&path, SystemTime::now());
        let again = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        assert_eq!(again.recipients.len(), 1);
    }

    #[test]
    fn what_a_kill_or_a_failure_left_of_a_copy_is_removed() {
        let (tree, _, queue) = queue(&["lan", "minh"]);
        let path = only(&queue);
        let taken = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        let left = format!("{}.{}", path.file_name().unwrap().display(), std::process::id());
        fs::write(tree.root().join("b.vn/@queue/tmp").join(left), "half").unwrap();
        let cur = tree.root().join("b.vn/@queue/cur");
        fs::remove_dir(&cur).unwrap();
        assert!(taken.keep(&taken.recipients, "").is_err());
        fs::create_dir(&cur).unwrap();
        taken.keep(&taken.recipients, "").unwrap();
        taken.remove().unwrap();
        let files = tree.files();
        assert!(files.len() == 1 && files[0].parent() == Some(&cur), "{files:?}");
    }

    // Elsewhere the name of a file that is removed may stay until nobody has it open.
    #[cfg(unix)]
    #[test]
    fn what_was_given_up_meanwhile_does_not_come_back_and_what_took_its_place_stays() {
        for (is_done, other) in [(true, ""), (false, ""), (true, "another"), (false, "another")] {
            let (tree, _, queue) = queue(&["lan", "minh"]);
            let path = only(&queue);
            let taken = queue.take(&path, &SCHEDULE).unwrap().unwrap();
            fs::remove_file(&path).unwrap();
            if !other.is_empty() {
                fs::write(&path, other).unwrap();
            }
            let minh = taken.recipients[1].clone();
            if is_done { taken.remove() } else { taken.shorten(&[minh]) }.unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap_or_default(), other);
            assert_eq!(tree.files().is_empty(), other.is_empty());
        }
    }

    #[test]
    fn what_is_kept_lies_in_cur_with_the_reason_and_may_be_moved_back() {
        let (tree, _, queue) = queue(&["lan", "minh"]);
        let path = only(&queue);
        let taken = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        taken.keep(&taken.recipients[..1], "Reason: because\n").unwrap();
        taken.remove().unwrap();
        let kept = tree.files().pop().unwrap();
        let envelope = b"Forward-Path: <lan@b.vn>\nReason: because\nReturn-Path: <an@a.vn>\n";
        assert_eq!(fs::read(&kept).unwrap(), [&envelope[..], TEXT].concat());
        assert_eq!(count(&queue), 0);
        fs::rename(kept, &path).unwrap();
        set_modified(&path, SystemTime::now());
        assert_eq!(
            queue.take(&path, &SCHEDULE).unwrap().unwrap().recipients[0].to_string(),
            "lan@b.vn"
        );
    }

    #[test]
    fn what_is_kept_at_different_times_of_one_message_is_all_kept() {
        let (tree, _, queue) = queue(&["lan", "minh"]);
        let path = only(&queue);
        let taken = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        // Twice, as after a kill: that is one.
        for _ in 0..2 {
            taken.keep(&taken.recipients[..1], "Reason: because\n").unwrap();
        }
        let minh = taken.recipients[1].clone();
        taken.shorten(&[minh]).unwrap();
        set_modified(&path, SystemTime::now());
        let again = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        again.keep(&again.recipients, "Reason: because\n").unwrap();
        again.remove().unwrap();
        let kept: Vec<String> = tree.files().iter().map(|p| first_line(p)).collect();
        assert!(
            kept.len() == 2 && kept.contains(&"Forward-Path: <lan@b.vn>".to_owned()),
            "{kept:?}"
        );
    }

    #[test]
    fn what_is_kept_again_takes_no_other_s_place() {
        let (tree, _, queue) = queue(&["lan", "minh"]);
        let path = only(&queue);
        let taken = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        taken.keep(&taken.recipients[..1], "Reason: because\n").unwrap();
        let lan = tree.files().into_iter().find(|kept| *kept != path).unwrap();
        taken.keep(&taken.recipients[1..], "Reason: because\n").unwrap();
        taken.remove().unwrap();
        fs::rename(lan, &path).unwrap();
        set_modified(&path, SystemTime::now());
        let again = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        again.keep(&again.recipients, "Reason: again\n").unwrap();
        again.remove().unwrap();
        let mut kept: Vec<String> = tree.files().iter().map(|p| first_line(p)).collect();
        kept.sort();
        assert_eq!(kept, ["Forward-Path: <lan@b.vn>", "Forward-Path: <minh@b.vn>"]);
    }

    #[test]
    fn a_folder_for_copies_that_is_gone_is_made_again() {
        let (tree, _, queue) = queue(&["lan", "minh"]);
        let path = only(&queue);
        let taken = queue.take(&path, &SCHEDULE).unwrap().unwrap();
        fs::remove_dir(tree.root().join("b.vn/@queue/tmp")).unwrap();
        let minh = taken.recipients[1].clone();
        taken.shorten(&[minh]).unwrap();
        assert_eq!(first_line(&path), "Forward-Path: <minh@b.vn>");
    }

    #[test]
    fn what_was_tried_before_comes_after_what_was_not() {
        let (tree, _, queue) = queue(&["lan"]);
        let (now, tried) = (SystemTime::now(), only(&queue));
        let new = tree.root().join("b.vn/@queue/new/9999999999.later");
        fs::copy(&tried, &new).unwrap();
        set_modified(&tried, now - Duration::from_secs(1));
        set_modified(&new, now - Duration::from_secs(2));
        assert_eq!(queue.due(&ALWAYS).unwrap().1, [tried, new], "the first one is the last");
    }

    #[test]
    fn what_has_no_envelope_moves_to_cur_as_it_is() {
        let (tree, _, queue) = queue(&["lan"]);
        let path = only(&queue);
        for content in [
            &b""[..],
            b"Forward-Path: <lan@b.vn>",
            b"Forward-Path: <lan@b.vn>\n\nReturn-Path: <an@a.vn>\n",
            b"Return-Path: <an@a.vn>\ntext\n",
            b"Forward-Path: <Postmaster>\nReturn-Path: <an@a.vn>\n",
            b"Forward-Path: <lan@b.vn> x\nReturn-Path: <an@a.vn>\n",
            b"Forward-Path: <lan@b.vn>\nReturn-Path: an@a.vn\n",
            b"Forward-Path: <lan@b.vn>\nReturn-Path: <an@a.vn>\n\xff"[..26].as_ref(),
            b"Subject: x\n\nForward-Path: <lan@b.vn>\nReturn-Path: <an@a.vn>\n",
            b"\xff\xfe",
        ] {
            fs::write(&path, content).unwrap();
            assert!(queue.take(&path, &SCHEDULE).unwrap().is_none(), "{}", content.escape_ascii());
            let aside = tree.files();
            assert!(aside.len() == 1 && aside[0].parent().unwrap().ends_with("cur"), "{aside:?}");
            assert_eq!(fs::read(&aside[0]).unwrap(), content);
            fs::remove_file(&aside[0]).unwrap();
        }
        assert!(queue.take(&path, &SCHEDULE).unwrap().is_none(), "what is gone is nobody's");
        fs::create_dir(&path).unwrap();
        assert!(queue.take(&path, &SCHEDULE).unwrap().is_none());
        assert_eq!(count(&queue), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_a_queue_is_not_followed() {
        let (tree, _, queue) = queue(&["lan"]);
        let path = only(&queue);
        let elsewhere = tree.root().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(queue.take(&path, &SCHEDULE).unwrap().is_none());
        assert_eq!(count(&queue), 0, "the link is put aside");
        let new = tree.root().join("b.vn/@queue/new");
        fs::remove_dir(&new).unwrap();
        std::os::unix::fs::symlink(tree.root(), &new).unwrap();
        assert!(queue.due(&ALWAYS).is_err() && queue.take(&path, &SCHEDULE).is_err());
    }

    /// What is told at the start.
    fn wrong(mailboxes: &MailboxTree) -> Vec<String> {
        mailboxes.routes().unwrap().into_iter().filter_map(Result::err).collect()
    }

    #[test]
    fn next_hops_are_read_as_any_editor_writes_them_and_a_line_that_is_none_is_an_error() {
        let (tree, mailboxes, queue) = queue(&["lan"]);
        let path = tree.root().join("b.vn/next-hop");
        for (content, hops) in [
            (&b"a.vn:25\n[::1]:26\n"[..], &["a.vn:25", "[::1]:26"][..]),
            (b"\xef\xbb\xbfa.vn:25 \r\n\r\n# rubbish\r\n b:1", &["a.vn:25", "b:1"]),
            (b"\xff\xfea\0:\x001\0\r\0\n\0", &["a:1"]),
        ] {
            fs::write(&path, content).unwrap();
            assert_eq!(queue.next_hops().unwrap(), hops);
            assert!(wrong(&mailboxes).is_empty());
        }
        let long = "a:25\n".repeat(20_000);
        for (content, what) in [
            ("", "next-hop has no line such as 127.0.0.1:2526"),
            ("# none\r\n", "next-hop has no line such as 127.0.0.1:2526"),
            ("a.vn:25\na.vn", "next-hop: \"a.vn\" is no host:port such as 127.0.0.1:2526"),
            ("a.vn:x\na.vn:25", "next-hop: \"a.vn:x\" is no host:port such as 127.0.0.1:2526"),
            (":25", "next-hop: \":25\" is no host:port such as 127.0.0.1:2526"),
            ("a:0", "next-hop: \"a:0\" is no host:port such as 127.0.0.1:2526"),
            ("a:70000", "next-hop: \"a:70000\" is no host:port such as 127.0.0.1:2526"),
            ("a b:25", "next-hop: \"a b:25\" is no host:port such as 127.0.0.1:2526"),
            ("\u{1b}:25", "next-hop: \"\\u{1b}:25\" is no host:port such as 127.0.0.1:2526"),
            (&long, "next-hop: it is longer than 65,536 octets"),
        ] {
            fs::write(&path, content).unwrap();
            let error = queue.next_hops().unwrap_err();
            assert!(error.ends_with(what), "{error}");
            assert_eq!(wrong(&mailboxes), [error], "one warning");
        }
        fs::remove_file(&path).unwrap();
        assert!(mailboxes.routes().unwrap().is_empty(), "no route is no mistake");
        fs::create_dir(&path).unwrap();
        assert_eq!(wrong(&mailboxes).len(), 1);
        fs::write(tree.root().join("b.vn/next-hop.txt"), "a.vn:25").unwrap();
        fs::remove_dir(&path).unwrap();
        let wrong = wrong(&mailboxes);
        assert!(wrong.len() == 1 && wrong[0].contains("next-hop.txt"), "{wrong:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_next_hop_behind_a_link_is_not_read() {
        let (tree, mailboxes, queue) = queue(&["lan"]);
        let path = tree.root().join("b.vn/next-hop");
        fs::rename(&path, tree.root().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(tree.root().join("elsewhere"), &path).unwrap();
        assert!(queue.next_hops().is_err());
        assert_eq!(wrong(&mailboxes).len(), 1);
    }

    #[test]
    fn a_queue_is_swept_as_a_mailbox_is_and_a_domain_that_is_sent_on_needs_no_postmaster() {
        let (tree, mailboxes, queue) = queue(&["lan"]);
        let name = only(&queue).file_name().unwrap().to_owned();
        let stale = tree.root().join("b.vn/@queue/tmp").join(name);
        fs::write(&stale, "").unwrap();
        set_modified(&stale, SystemTime::now() - Duration::from_secs(40 * 3600));
        set_modified(&only(&queue), SystemTime::now() - Duration::from_secs(40 * 3600));
        assert_eq!(mailboxes.sweep().unwrap(), 1);
        assert_eq!(tree.files(), [only(&queue)]);
        assert!(mailboxes.domains_without_postmaster().unwrap().is_empty());
        assert!(
            mailboxes.routes().unwrap().len() == 1 && mailboxes.addresses().unwrap().is_empty()
        );
    }
}
