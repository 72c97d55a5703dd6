//! `lab trees`: the mailbox trees of labs 14 and 15.

use std::fs;

use crate::common::Tree;
use crate::lab;

#[test]
fn three_servers_know_the_way_to_each_other() {
    let folder = Tree::empty();
    let net = folder.root().join("a net");
    let trees = || lab(&["trees", net.to_str().unwrap()]);
    let (status, said) = trees();
    assert_eq!(status, Some(0), "{said}");
    for (domain, user, port) in [
        ("crepes.fr", "alice", 2525),
        ("hamburger.edu", "bob", 2526),
        ("nuce.edu.vn", "hung", 2527),
    ] {
        let tree = net.join(format!("{domain}-server"));
        let command = format!(
            "--hostname {domain} --listen 127.0.0.1:{port} --pop3 127.0.0.1:{} --mailboxes \"{}\"\n",
            port - 2525 + 1110,
            tree.display()
        );
        assert!(said.contains(&command), "{said}");
        assert!(tree.join(domain).join("postmaster").is_dir());
        let password = tree.join(domain).join(user).join("password");
        assert_eq!(fs::read_to_string(&password).unwrap(), "a-password\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&password).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        for other in fs::read_dir(&net).unwrap() {
            let hop = other.unwrap().path().join(domain).join("next-hop");
            let is_own = hop.starts_with(&tree);
            assert_eq!(hop.is_file(), !is_own, "{}", hop.display());
            assert!(is_own || fs::read_to_string(hop).unwrap() == format!("127.0.0.1:{port}\n"));
        }
    }
    let (status, said) = trees();
    assert!(status == Some(2) && said.contains("is there already"), "{said}");
}
