//! The report to the sender of a message that was not delivered (§3.6.3, §6.1).

use std::time::SystemTime;

use log::{info, warn};

use crate::address::Address;
use crate::counted::counted;
use crate::date::date;
use crate::mailboxes::{MailboxTree, Queued, StoreError};

/// The lines of the message's header that a report shows; one over 4 KiB counts as several.
const MAX_HEADER: usize = 500;

/// Reports for which recipients a message has failed, and why; or, if nobody is there to report to,
/// keeps it in `cur/` of its queue.
///
/// # Errors
/// When neither can be done; then nothing has changed.
pub fn report(
    message: &Queued,
    failed: &[(Address, String)],
    mailboxes: &MailboxTree,
    hostname: &str,
) -> Result<(), StoreError> {
    if failed.is_empty() {
        return Ok(());
    }
    let Some(sender) = mailboxes.find_sender(&message.reverse_path)? else {
        let lines = failed.iter().map(|(to, why)| format!("Reason: <{to}> {why}\n"));
        let (reasons, path) = (lines.collect::<String>(), message.path.display());
        warn!("{path} is kept in cur, nobody can be told: {}", reasons.trim_end().escape_debug());
        let recipients: Vec<Address> = failed.iter().map(|(to, _)| to.clone()).collect();
        return message.keep(&recipients, &reasons);
    };
    let mut report = mailboxes.deliver(&[sender])?;
    let head = head(message, failed, report.id(), hostname);
    report.append_line(head.as_bytes())?;
    let (mut text, _) = message.text().map_err(|e| message.failed(e))?;
    for _ in 0..MAX_HEADER {
        match text.next().map_err(|e| message.failed(e))? {
            Some(piece) if !piece.octets.is_empty() => report.append_line(piece.octets)?,
            Some(_) | None => break,
        }
    }
    report.publish()?;
    let count = counted(failed.len(), "recipient");
    info!("{} has failed for {count}; {} is told", message.path.display(), message.reverse_path);
    Ok(())
}

/// The report up to the header of the message that it is about.
fn head(message: &Queued, failed: &[(Address, String)], id: &str, hostname: &str) -> String {
    let reasons: String = failed.iter().map(|(to, why)| format!("<{to}>\n    {why}\n\n")).collect();
    format!(
        "Return-Path: <>\nDate: {}\nFrom: Mail server <MAILER-DAEMON@{hostname}>\nTo: {}\n\
         Subject: Your mail was not delivered\nMessage-ID: <{id}@{hostname}>\n\
         Auto-Submitted: auto-replied\nMIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         This is the mail server {hostname}. Your mail of {} was not delivered to:\n\n{reasons}\
         Nothing more is done for these recipients. The header of your mail was:\n",
        date(SystemTime::now()),
        message.reverse_path,
        date(message.arrived),
    )
}
