//! The demo: five clients tell a story, one step a second.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs, io, process, thread};

use crate::shared::Shared;

const STORY: &str = include_str!("story.txt");
/// The time between two steps.
const STEP: Duration = Duration::from_secs(1);

/// The mailbox tree of the demo, removed at the end.
pub struct Tree(pub PathBuf);

impl Tree {
    /// # Errors
    /// When there is no room for it.
    pub fn new() -> io::Result<Tree> {
        let tree = Tree(env::temp_dir().join(format!("glass-{}", process::id())));
        for user in ["hung", "toan", "tuan", "postmaster"] {
            fs::create_dir_all(tree.0.join("nuce.edu.vn").join(user))?;
        }
        Ok(tree)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Tells the story once, when somebody watches.
///
/// # Errors
/// When the server takes no more clients: it is stopping.
pub fn play(server: SocketAddr, shared: &Shared) -> io::Result<()> {
    while !shared.is_watched() {
        thread::sleep(STEP / 10);
    }
    let mut streams = HashMap::new();
    for step in STORY.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        thread::sleep(STEP);
        let (client, act) = step.split_once(' ').unwrap_or((step, "look"));
        if act == "connect" {
            let stream = TcpStream::connect(server)?;
            stream.set_nonblocking(true)?;
            streams.insert(client, stream);
        } else if act == "vanish" {
            streams.remove(client);
        } else if let (Some(line), Some(stream)) = (act.strip_prefix("say"), streams.get(client)) {
            let mut stream = stream;
            // The replies are on the page; they are read here only to make room for the next.
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(format!("{}\r\n", line.trim_start()).as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_of_the_story_is_an_act_of_a_client_that_is_connected() {
        let (mut here, mut count) = (Vec::new(), 0);
        for step in STORY.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (client, act) = step.split_once(' ').unwrap();
            match act.split(' ').next().unwrap() {
                "connect" => here.push(client),
                "vanish" => here.retain(|other| *other != client),
                "say" | "look" => {}
                other => panic!("{other}"),
            }
            assert!(act == "vanish" || act == "look" || here.contains(&client), "{step}");
            count += 1;
        }
        assert!((45..75).contains(&count), "{count} seconds are no minute");
        assert_eq!(here.len(), 4, "five have come, and one has vanished");
    }
}
