//! Notices that the pipeline files have changed.

use std::path::PathBuf;

use crate::config;

/// The files as they were loaded, and as they were when they were last looked at.
///
/// They are compared by what is in them: an editor may write a file anew, and a folder may be swapped as a whole. A change is
/// told once it has been the same for two looks, so that nobody is caught half way.
pub(super) struct Watch {
    paths: Vec<PathBuf>,
    loaded: u128,
    /// As they were loaded before a change was told.
    before: u128,
    last: u128,
    /// How many looks are left out before a change is told again.
    pause: u32,
}

/// How many looks pass before a change that could not be made is told again.
const PAUSE: u32 = 10;

impl Watch {
    /// Compares with the files as they are now.
    pub(super) fn new(paths: Vec<PathBuf>) -> Watch {
        let loaded = config::digest(&paths);
        Watch { paths, loaded, before: loaded, last: loaded, pause: 0 }
    }

    /// Whether the files are to be loaded again; to be asked every second or so.
    pub(super) fn look(&mut self) -> bool {
        let now = config::digest(&self.paths);
        let is_settled = std::mem::replace(&mut self.last, now) == now;
        self.pause = self.pause.saturating_sub(1);
        let is_new = is_settled && now != self.loaded && self.pause == 0;
        if is_new {
            self.before = std::mem::replace(&mut self.loaded, now);
        }
        is_new
    }

    /// What was told last could not be done: it is told again after a while.
    pub(super) fn again(&mut self) {
        self.loaded = self.before;
        self.pause = PAUSE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_change_is_told_once_and_when_it_has_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        fs::write(&path, "one").unwrap();
        let mut watch = Watch::new(vec![folder.path().to_owned()]);
        assert!(!watch.look());
        fs::write(&path, "two").unwrap();
        assert_eq!([watch.look(), watch.look(), watch.look()], [false, true, false]);
        fs::write(folder.path().join("b.yaml"), "another").unwrap();
        assert_eq!([watch.look(), watch.look()], [false, true]);
        fs::write(&path, "three").unwrap();
        assert!(!watch.look());
        fs::write(&path, "four").unwrap();
        assert_eq!([watch.look(), watch.look()], [false, true]);
        fs::write(&path, "four").unwrap();
        assert_eq!([watch.look(), watch.look()], [false, false]);
        fs::remove_file(&path).unwrap();
        assert_eq!([watch.look(), watch.look()], [false, true]);
        watch.again();
        let looks = std::iter::repeat_with(|| watch.look()).take(12).collect::<Vec<_>>();
        assert_eq!(looks.iter().position(|told| *told), Some(PAUSE as usize - 1));
    }
}
