//! The journal on a real file system.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::faulty::{Fault, Faulty};
use super::{Journal, Mark, OpenError, Summary, System};

const WHOLE: Mark = Mark { begins: true, completes: true };
const DELTA: Mark = Mark { begins: false, completes: false };

fn open(directory: &Path) -> Result<(Journal, Vec<Vec<u8>>), OpenError> {
    let mut found = Vec::new();
    let journal = Journal::open(directory, Arc::new(System), &mut |record| {
        found.push(record.bytes.to_vec());
        Ok(())
    })?;
    Ok((journal, found))
}

fn look(directory: &Path) -> Result<Summary, OpenError> {
    Journal::look(directory, Arc::new(System), &mut |_| Ok(()))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[track_caller]
fn check_refused(result: Result<(Journal, Vec<Vec<u8>>), OpenError>, why: &str) {
    let error = result.err().expect("it is to be refused").to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn records_are_found_by_the_next_process() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("var/lib/state");
    let large: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
    let (mut journal, found) = open(&directory).unwrap();
    assert!(found.is_empty());
    journal.commit(b"", WHOLE).unwrap();
    journal.commit(&large, DELTA).unwrap();
    journal.commit(b"small", DELTA).unwrap();
    assert_eq!(journal.size(), fs::metadata(directory.join("journal-0000000001")).unwrap().len());
    let instance = journal.instance().to_owned();
    std::thread::spawn(move || drop(journal)).join().unwrap();

    let (mut journal, found) = open(&directory).unwrap();
    assert!(found == [b"".to_vec(), large, b"small".to_vec()]);
    assert_eq!(journal.instance(), instance);
    journal.commit(b"whole", WHOLE).unwrap();
    drop(journal);
    assert_eq!(names(&directory), ["committed", "instance", "journal-0000000003", "lock"]);
    let bytes = fs::metadata(directory.join("journal-0000000003")).unwrap().len();
    let expected = Summary { instance, segments: 1, bytes, records: 1, sequence: 4 };
    assert_eq!(look(&directory).unwrap(), expected);
}

#[test]
fn a_directory_has_one_user_at_a_time() {
    let place = tempfile::tempdir().unwrap();
    let (journal, _) = open(place.path()).unwrap();
    let by = format!("{} is in use by process {}", place.path().display(), std::process::id());
    check_refused(open(place.path()), &by);
    assert!(look(place.path()).unwrap_err().to_string().contains(&by));
    drop(journal);
    look(place.path()).unwrap();
    open(place.path()).unwrap();
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("syslog"), "somebody else's").unwrap();
    check_refused(open(place.path()), "syslog was not written by streamgauge");
    assert_eq!(names(place.path()), ["syslog"]);
    fs::remove_file(place.path().join("syslog")).unwrap();
    open(place.path()).unwrap();
    fs::write(place.path().join("README"), "beside ours").unwrap();
    open(place.path()).unwrap();
}

#[test]
fn what_is_no_directory_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    check_refused(open(&file), "cannot be used: not a directory");
    check_refused(open(&file.join("below")), "cannot be used: ");
    let missing = place.path().join("missing");
    assert!(matches!(look(&missing), Err(OpenError::Directory { .. })));
    assert!(!missing.exists(), "who looks makes nothing");
}

#[test]
fn a_directory_whose_journal_is_lost_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(place.path()).unwrap();
    journal.commit(b"one", WHOLE).unwrap();
    drop(journal);
    fs::write(place.path().join("journal-0000000001"), "").unwrap();
    let directory = place.path().display();
    let why = format!("the state directory {directory} is damaged: something was committed here");
    check_refused(open(place.path()), &why);
    assert_eq!(names(place.path()), ["committed", "instance", "journal-0000000001", "lock"]);
    fs::remove_file(place.path().join("journal-0000000001")).unwrap();
    check_refused(open(place.path()), &why);
    assert!(look(place.path()).unwrap_err().to_string().contains(&why));
    assert_eq!(names(place.path()), ["committed", "instance", "lock"]);
}

#[test]
fn what_cannot_be_used_is_named_with_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let missing = place.path().join("missing");
    let error = look(&missing).unwrap_err().to_string();
    assert!(error.ends_with("it must be a directory that this user may read"), "{error}");
    fs::create_dir(place.path().join("lock")).unwrap();
    let lock = place.path().join("lock");
    check_refused(open(place.path()), &format!("{} was not written by streamgauge", lock.display()));
    fs::remove_dir(lock).unwrap();
    fs::create_dir(place.path().join("instance")).unwrap();
    check_refused(
        open(place.path()),
        "instance cannot be read: Is a directory (os error 21); nothing was changed: see",
    );
}

#[test]
fn a_commit_that_failed_names_the_directory_and_an_open_the_file() {
    let disk = Faulty::new(1);
    let open = || Journal::open(Path::new("/state"), Arc::new(disk.clone()), &mut |_| Ok(()));
    let mut journal = open().unwrap();
    disk.plan(Fault::NoSpace(0));
    let error = journal.commit(b"one", WHOLE).unwrap_err().to_string();
    assert_eq!(error, "the state directory /state cannot be written: no storage space");
    journal.commit(b"one", WHOLE).unwrap();
    drop(journal);
    disk.plan(Fault::NoSpace(0));
    let error = open().err().unwrap().to_string();
    assert_eq!(
        error,
        "/state/journal-0000000003 cannot be written: no storage space; nothing was changed: free some space, or see that \
         this user may write there"
    );
}

#[test]
fn a_directory_that_may_not_be_written_can_be_looked_at() {
    let place = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(place.path()).unwrap();
    journal.commit(b"one", WHOLE).unwrap();
    drop(journal);
    for name in names(place.path()) {
        fs::set_permissions(place.path().join(name), fs::Permissions::from_mode(0o444)).unwrap();
    }
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let before = names(place.path());
    assert_eq!(look(place.path()).unwrap().records, 1);
    // The superuser may write everywhere.
    if !rustix::process::geteuid().is_root() {
        check_refused(open(place.path()), "it must be a directory that this user may read and write");
        assert_eq!(names(place.path()), before);
    }
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
}
