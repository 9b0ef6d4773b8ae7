//! What can be wrong with a directory or a commit, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::disk::Access;

/// A directory's journal cannot be used. Nothing in it was changed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no directory, or may not be made, read or written.
    #[error(
        "the state directory {} cannot be used: {error}: it must be a directory that this user may {}",
        .directory.display(), use_of(.access)
    )]
    Directory {
        /// As it was named.
        directory: PathBuf,
        /// What it was to be used for.
        access: Access,
        /// What the system said.
        error: io::Error,
    },

    /// Another process has it open.
    #[error("the state directory {} is in use by {}", .directory.display(), process(.pid))]
    InUse {
        /// As it was named.
        directory: PathBuf,
        /// That process, if it said so.
        pid: Option<u32>,
    },

    /// A later version of this program wrote it.
    #[error(
        "{} was written by a newer streamgauge (format {found}; this one knows {known}): run that version, or use another \
         directory",
        .file.display()
    )]
    Newer {
        /// The first file found to be so.
        file: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },

    /// Committed records cannot be read.
    #[error(
        "{} is damaged at byte {offset}: {what}; it is never reset by itself: restore the directory from a backup, or move it \
         away to begin anew",
        .file.display()
    )]
    Damaged {
        /// The file in which it shows.
        file: PathBuf,
        /// Where in the file.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },

    /// Records were committed, and there is none.
    #[error(
        "the state directory {} is damaged: something was committed here, but no record of the journal is left; it is never \
         reset by itself: restore the directory from a backup, or move it away to begin anew",
        .directory.display()
    )]
    Emptied {
        /// As it was named.
        directory: PathBuf,
    },

    /// Something in the directory is not the journal's.
    #[error(
        "{} was not written by streamgauge: use a directory of its own, or move that file away",
        .file.display()
    )]
    Foreign {
        /// The file, or one of several.
        file: PathBuf,
    },

    /// The system failed.
    #[error(
        "{} cannot be {}: {error}; nothing was changed: {}",
        .file.display(), done(.access), fix(.access)
    )]
    Failed {
        /// The file that it was about.
        file: PathBuf,
        /// What was to be done with it.
        access: Access,
        /// What the system said.
        error: io::Error,
    },
}

fn use_of(access: &Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "read and write",
    }
}

fn done(access: &Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "written",
    }
}

fn fix(access: &Access) -> &'static str {
    match access {
        Access::Read => "see that this user may read it, and that the disk is sound",
        Access::Write => "free some space, or see that this user may write there",
    }
}

fn process(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A record is perhaps not durable. It is to be committed again.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The system failed.
    #[error("the state directory {} cannot be written: {error}", .directory.display())]
    Failed {
        /// As it was named. The file is another with each try.
        directory: PathBuf,
        /// What the system said.
        error: io::Error,
    },

    /// The commit before failed, and this one is of another record. Nothing was written.
    #[error("record {sequence} is being committed again, but as another one")]
    Changed {
        /// The sequence of the record that failed.
        sequence: u64,
    },
}
