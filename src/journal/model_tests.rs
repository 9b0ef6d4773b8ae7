//! Whatever fails and whenever it crashes: what was committed is found, in order, each record once, and nothing else.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::faulty::{Fault, Faulty};
use super::{Journal, Mark, OpenError};

const DIRECTORY: &str = "/state";

/// What happens next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A record of that many bytes, tried until it is committed.
    Commit { len: usize, mark: Mark },
    /// The next call of that kind fails.
    Plan(Fault),
    /// After so many calls the process dies, and perhaps the machine with it.
    Die { calls: usize, crashes: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![Just(0_usize), 1_usize..100, 400_usize..1700, 60_000_usize..70_000];
    let mark = (prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    let fault = prop_oneof![
        4 => (0_usize..100_000).prop_map(Fault::NoSpace),
        1 => (0_usize..600).prop_map(Fault::NoSpace),
        6 => Just(Fault::Sync),
        3 => Just(Fault::SyncDirectory),
        2 => Just(Fault::Truncate),
        2 => Just(Fault::Create),
        2 => Just(Fault::Remove),
        1 => Just(Fault::Rename),
        1 => Just(Fault::Read),
        1 => Just(Fault::List),
    ];
    prop_oneof![
        6 => (len, mark).prop_map(|(len, (begins, completes))| {
            Step::Commit { len, mark: Mark { begins, completes } }
        }),
        3 => fault.prop_map(Step::Plan),
        2 => (0_usize..25, any::<bool>()).prop_map(|(calls, crashes)| Step::Die { calls, crashes }),
    ]
}

type Written = (Vec<u8>, Mark);

/// What must be found of these records: those from the begin of the newest segment that completes, with their sequences.
fn needed(all: &[Written]) -> Vec<(u64, Written)> {
    let completes = all.iter().rposition(|(_, mark)| mark.completes);
    let begin = completes.and_then(|at| all[..=at].iter().rposition(|(_, mark)| mark.begins)).unwrap_or(0);
    (begin..all.len()).map(|at| (at as u64 + 1, all[at].clone())).collect()
}

struct Model {
    disk: Faulty,
    journal: Option<Journal>,
    instance: Option<String>,
    /// Every record since the first.
    committed: Vec<Written>,
    /// The one whose commit did not return Ok.
    tried: Option<Written>,
    /// Whether the machine will crash when the process dies.
    crashes: bool,
}

impl Model {
    fn new(seed: u64) -> Model {
        let (committed, tried) = (Vec::new(), None);
        Model { disk: Faulty::new(seed), journal: None, instance: None, committed, tried, crashes: false }
    }

    /// Opens the journal, after each fault and each death once more.
    fn open(&mut self) -> Result<(), TestCaseError> {
        while self.journal.is_none() {
            let mut found: Vec<(u64, Written)> = Vec::new();
            let opened = Journal::open(Path::new(DIRECTORY), Arc::new(self.disk.clone()), &mut |record| {
                found.push((record.sequence, (record.bytes.to_vec(), record.mark)));
                Ok(())
            });
            match opened {
                Ok(journal) => self.adopt(journal, found)?,
                Err(OpenError::Failed { .. } | OpenError::Directory { .. }) => self.revive(),
                Err(error) => return Err(TestCaseError::fail(format!("refused: {error}"))),
            }
        }
        Ok(())
    }

    fn adopt(&mut self, journal: Journal, found: Vec<(u64, Written)>) -> Result<(), TestCaseError> {
        let mut more = self.committed.clone();
        more.extend(self.tried.take());
        if found != needed(&self.committed) {
            let sequences = |records: &[(u64, Written)]| {
                records
                    .iter()
                    .map(|(sequence, (bytes, mark))| (*sequence, bytes.len(), *mark))
                    .collect::<Vec<_>>()
            };
            prop_assert!(
                found == needed(&more),
                "{:?}, not {:?}",
                sequences(&found),
                sequences(&needed(&more))
            );
            self.committed = more;
        }
        let instance = self.instance.get_or_insert_with(|| journal.instance().to_owned());
        prop_assert_eq!(journal.instance(), instance.as_str());
        self.journal = Some(journal);
        let noted = self.disk.contents().contains_key(&Path::new(DIRECTORY).join("committed"));
        prop_assert!(!noted || !self.committed.is_empty(), "it was noted before anything was committed");
        Ok(())
    }

    fn revive(&mut self) {
        if self.disk.is_dead() {
            self.journal = None;
            if self.crashes { self.disk.crash() } else { self.disk.restart_process() }
        }
    }

    fn commit(&mut self, len: usize, mut mark: Mark) -> Result<(), TestCaseError> {
        let number = self.committed.len();
        if number == 0 {
            mark = Mark { begins: true, completes: true };
        }
        let record: Vec<u8> = (0..len).map(|at| ((at * 7 + number * 13) % 251) as u8).collect();
        loop {
            self.open()?;
            let journal = self.journal.as_mut().unwrap();
            match journal.commit(&record, mark) {
                Ok(()) => {
                    self.committed.push((record, mark));
                    self.tried = None;
                    return Ok(());
                }
                Err(_) => self.tried = Some((record.clone(), mark)),
            }
            self.revive();
            if self.journal.is_none() {
                // Who writes after a crash knows what was found, and goes on with another record.
                return Ok(());
            }
        }
    }

    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Commit { len, mark } => self.commit(len, mark)?,
            Step::Plan(fault) => self.disk.plan(fault),
            Step::Die { calls: 0, crashes } => {
                self.disk.die_after(0);
                self.crashes = crashes;
                self.revive();
                self.open()?;
            }
            Step::Die { calls, crashes } => {
                self.disk.die_after(calls);
                self.crashes = crashes;
            }
        }
        Ok(())
    }

    /// With a disk that is whole again: a crash, and everything is still there, and not much else.
    fn end(mut self) -> Result<(), TestCaseError> {
        self.disk.mend();
        self.disk.restart_process();
        self.open()?;
        self.apply(Step::Die { calls: 0, crashes: true })?;
        self.commit(10, Mark { begins: true, completes: true })?;
        let journal = self.journal.as_ref().unwrap();
        let files = self.disk.contents();
        let segments = files.iter().filter(|(path, _)| path.to_string_lossy().contains("journal-"));
        let sizes: Vec<_> = segments.map(|(_, bytes)| bytes.len() as u64).collect();
        prop_assert_eq!(sizes, [journal.size()]);
        prop_assert_eq!(journal.size(), journal.segment_bytes());
        self.lose_segments()
    }

    /// That something was committed survives a crash, whenever it was noted and whatever failed.
    fn lose_segments(mut self) -> Result<(), TestCaseError> {
        self.journal = None;
        self.disk.crash();
        let mut files = self.disk.contents();
        files.retain(|path, _| !path.to_string_lossy().contains("journal-"));
        let disk = Faulty::holding(&files);
        let opened = Journal::open(Path::new(DIRECTORY), Arc::new(disk.clone()), &mut |_| Ok(()));
        let is_refused = matches!(opened, Err(OpenError::Emptied { .. }));
        prop_assert!(is_refused, "the directory looks new");
        prop_assert_eq!(disk.contents(), files);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_committed_is_found(seed: u64, steps in prop::collection::vec(step(), 1..60)) {
        let mut model = Model::new(seed);
        for step in steps {
            model.apply(step)?;
        }
        model.end()?;
    }
}
