//! The case folders: a conversation and, beside it, the lines that it must give.

use std::path::{Path, PathBuf};

use crate::encode::{self, WireFrame};
use crate::play::{self, Scene};
use crate::talk::{self, Talk};

/// One folder below `tests/cases`.
#[derive(Clone, Debug)]
pub struct Case {
    /// `<protocol>/<what happens>`.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// Its conversation.
    pub talk: Talk,
    /// The conversation, played.
    pub scenes: Vec<Scene>,
}

impl Case {
    /// Reads one folder; an error names the file and the line.
    pub fn load(path: &Path) -> Result<Case, String> {
        let file = path.join("talk.txt");
        let at = |why: String| format!("{}: {why}", file.display());
        let text = std::fs::read_to_string(&file).map_err(|why| at(why.to_string()))?;
        let talk = talk::parse(&text).map_err(at)?;
        let scenes = play::play(&talk).map_err(at)?;
        let name = path.strip_prefix(folder()).unwrap_or(path).display().to_string();
        Ok(Case { name, path: path.into(), talk, scenes })
    }

    /// Its frames, as a capture would have them.
    pub fn frames(&self) -> Vec<WireFrame> {
        encode::all(&self.scenes)
    }

    /// What each side of its TCP conversations says, in order.
    pub fn streams(&self) -> Vec<Vec<u8>> {
        let mut streams = std::collections::BTreeMap::<_, Vec<u8>>::new();
        for scene in &self.scenes {
            if let Scene::Packet(packet) = scene
                && packet.tcp.is_some()
            {
                streams.entry((packet.conversation, packet.side as usize)).or_default().extend(&packet.payload);
            }
        }
        streams.into_values().filter(|stream| !stream.is_empty()).collect()
    }
}

/// Where the cases are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Every case, by name. Panics, with the place, at one that cannot be read: this is a harness of tests.
pub fn all() -> Vec<Case> {
    let mut folders = Vec::new();
    find(&folder(), &mut folders);
    folders.sort();
    folders.iter().map(|path| Case::load(path).unwrap_or_else(|why| panic!("{why}"))).collect()
}

fn find(path: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    for entry in entries.flatten() {
        if entry.path().join("talk.txt").exists() {
            found.push(entry.path());
        } else if entry.path().is_dir() {
            find(&entry.path(), found);
        }
    }
}
