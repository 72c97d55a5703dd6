//! What the start does with the mailbox tree: looks for mailboxes, and cleans up behind servers that
//! were killed.
//!
//! Here the tree speaks to the person who starts the server, so errors are advice.

use log::{info, warn};

use super::MailboxTree;

/// Returns the address of every mailbox, and warns of each domain without a postmaster.
///
/// # Errors
/// One line that says what to do, when the tree cannot be read or has no mailbox.
pub fn inspect(tree: &MailboxTree) -> Result<Vec<String>, String> {
    let root = tree.root.display();
    // Windows' own mkdir makes the folders that lead there, and one named -p.
    let mkdir = if cfg!(windows) { "mkdir" } else { "mkdir -p" };
    let folder = tree.root.join("example.com").join("you");
    let advice = format!("make a mailbox with: {mkdir} {}", folder.display());
    let addresses = tree.addresses().map_err(|e| {
        format!(
            "cannot read the mailbox tree {root}: {e}; start in the project's folder, name the tree \
             with --mailboxes, or {advice}"
        )
    })?;
    let routes = tree.routes().unwrap_or_default();
    for problem in routes.iter().filter_map(|route| route.as_ref().err()) {
        warn!("{problem}");
    }
    if addresses.is_empty() && routes.is_empty() {
        return Err(format!("the mailbox tree {root} has no mailbox; {advice}"));
    }
    for domain in tree.domains_without_postmaster().unwrap_or_default() {
        warn!("{domain} has no postmaster (RFC 5321 4.5.1): mkdir {root}/{domain}/postmaster");
    }
    Ok(addresses)
}

/// Removes what servers that were killed left in the `tmp` folders. If that fails, it is tried again
/// at the next start.
pub fn clean_up(tree: &MailboxTree) {
    match tree.sweep() {
        Ok(0) => {}
        Ok(count) => info!("removed {count} files of broken deliveries from tmp folders"),
        Err(e) => warn!("cannot look for files of broken deliveries: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn a_tree_without_mailboxes_is_an_error_that_says_how_to_make_one() {
        let tree = Tree::empty();
        let gone = tree.root().join("gone");
        for (root, why) in [(tree.root(), "has no mailbox; "), (&gone, "cannot read ")] {
            let error = inspect(&MailboxTree::new(root, "localhost", false)).unwrap_err();
            let folder = root.join("example.com").join("you").display().to_string();
            assert!(error.contains(why) && error.contains("mkdir "), "{error}");
            assert!(error.ends_with(&folder), "{error}");
        }
    }

    #[test]
    fn a_domain_without_a_postmaster_is_no_reason_not_to_start() {
        let tree = Tree::empty();
        tree.add("a.vn/lan");
        let mailboxes = MailboxTree::new(tree.root(), "localhost", false);
        assert_eq!(inspect(&mailboxes), Ok(vec!["lan@a.vn".to_owned()]));
    }
}
