//! The report to the sender of a message that was not delivered (§3.6.3, §6.1).

use std::time::SystemTime;

use log::warn;

use crate::address::Address;
use crate::date::date;
use crate::mailboxes::{MailboxTree, Queued, StoreError};

/// The pieces of a header that a report shows; each is a line or a part of a long one.
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
        let reasons: String =
            failed.iter().map(|(to, why)| format!("Reason: <{to}> {why}\n")).collect();
        let recipients: Vec<Address> = failed.iter().map(|(to, _)| to.clone()).collect();
        message.keep(mailboxes, &recipients, &reasons)?;
        let path = message.path().display();
        warn!("{path} is kept in cur, nobody can be told: {}", reasons.trim_end());
        return Ok(());
    };
    let mut report = mailboxes.deliver(&[sender])?;
    let head = head(message, failed, report.id(), hostname);
    report.append_line(head.as_bytes())?;
    let mut text = message.text().map_err(|e| message.failed(e))?.0;
    for _ in 0..MAX_HEADER {
        match text.next().map_err(|e| message.failed(e))? {
            Some(piece) if !piece.octets.is_empty() => report.append_line(piece.octets)?,
            Some(_) | None => break,
        }
    }
    report.publish()?;
    Ok(())
}

/// The report up to the header of the message that it is about.
fn head(message: &Queued, failed: &[(Address, String)], id: &str, hostname: &str) -> String {
    let to = &message.reverse_path;
    let reasons: String = failed.iter().map(|(to, why)| format!("<{to}>\n    {why}\n\n")).collect();
    format!(
        "Return-Path: <>\n\
         Date: {}\n\
         From: Mail server <MAILER-DAEMON@{hostname}>\n\
         To: {to}\n\
         Subject: Your mail was not delivered\n\
         Message-ID: <{id}@{hostname}>\n\
         Auto-Submitted: auto-replied\n\
         MIME-Version: 1.0\n\
         Content-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\
         \n\
         This is the mail server {hostname}. Your mail of {} was not delivered to:\n\
         \n\
         {reasons}\
         Nothing more is done for these recipients. The header of your mail was:\n",
        date(SystemTime::now()),
        date(message.arrived),
    )
}
