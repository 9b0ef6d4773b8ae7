//! Whatever a writer, a rotating tool and a restart do in whatever order, each line comes out once.

use std::fs;
use std::time::Duration;

use proptest::prelude::*;

use super::tests::World;
use crate::source::block::Limits;
use crate::source::multiline::Multiline;

const LOG: &str = "app.log";

/// What happens next. What is not possible at the moment is left out.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The writer writes so many whole lines.
    Lines(usize),
    /// The writer writes a line without its end.
    Half,
    /// The writer goes on with the record that it wrote last, where records have several lines.
    More,
    /// The writer, which has not noticed the rotation yet, writes to the rotated file.
    Late,
    Rename,
    /// A copy is begun, completed, and the original truncated: one of these.
    Copy,
    /// A rotated file gets another name.
    Shift,
    DeleteLog,
    DeleteRotated,
    Scan,
    /// Between two scans something appeared, or was written.
    Look,
    Read(usize),
    Restart,
    /// The program stops, so much happens, and it starts again.
    Down([Away; 4]),
}

/// What happens while the program is not running.
#[derive(Clone, Copy, Debug)]
enum Away {
    Nothing,
    Lines(usize),
    Rename,
    CopyTruncate,
    /// The log, or a rotated file, is compressed.
    CompressLog,
    CompressRotated,
    Shift,
    /// The program is started and stopped again soon.
    Start(usize),
}

fn away() -> impl Strategy<Value = Away> {
    prop_oneof![
        1 => Just(Away::Nothing),
        4 => (1_usize..40).prop_map(Away::Lines),
        2 => Just(Away::Rename),
        2 => Just(Away::CopyTruncate),
        2 => Just(Away::CompressLog),
        2 => Just(Away::CompressRotated),
        1 => Just(Away::Shift),
        2 => (0_usize..9).prop_map(Away::Start),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..40).prop_map(Step::Lines),
        2 => Just(Step::Half),
        2 => Just(Step::More),
        1 => Just(Step::Late),
        3 => Just(Step::Rename),
        4 => Just(Step::Copy),
        1 => Just(Step::Shift),
        1 => Just(Step::DeleteLog),
        1 => Just(Step::DeleteRotated),
        4 => Just(Step::Scan),
        3 => Just(Step::Look),
        4 => (1_usize..4).prop_map(Step::Read),
        1 => Just(Step::Restart),
        2 => [away(), away(), away(), away()].prop_map(Step::Down),
    ]
}

struct Model {
    world: World,
    expected: Vec<String>,
    numbers: usize,
    /// The line that was begun in the log.
    half: Option<String>,
    /// The rotated file that the writer still has open, with the line that was begun in it.
    late: Option<(String, Option<String>)>,
    /// The copy that is being made, and its missing part.
    copying: Option<(String, Vec<u8>)>,
    rotated: Vec<String>,
    /// A file was deleted that is perhaps not read to its end: a restart now would lose it.
    deleted: bool,
    multiline: bool,
    /// The last record in the log, which may get more lines.
    open: Option<usize>,
}

/// Longer than all scans of a case take.
const TIMEOUT: Duration = Duration::from_secs(1_000_000);

impl Model {
    fn new(multiline: bool) -> Model {
        let world = World::with(&[LOG], |options| {
            if multiline {
                options.framing.multiline = Some(Multiline::begun_by("^line", TIMEOUT, 1000));
            }
            options.framing.limits = Limits { block_bytes: 64, max_line_bytes: 1000 };
        });
        Model {
            world,
            expected: Vec::new(),
            numbers: 0,
            half: None,
            late: None,
            copying: None,
            rotated: Vec::new(),
            deleted: false,
            multiline,
            open: None,
        }
    }

    fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    fn line(&mut self) -> String {
        let number = self.number();
        let more = if self.multiline { number % 3 } else { 0 };
        format!("line {number} {}{}", "x".repeat(number * 7 % 50), "\n  more".repeat(more))
    }

    fn name(&mut self) -> String {
        let number = self.number();
        let name =
            if number.is_multiple_of(2) { format!("{LOG}.{number}") } else { format!("app-{number}.log") };
        self.rotated.push(name.clone());
        name
    }

    fn log_size(&self) -> u64 {
        fs::metadata(self.world.path(LOG)).map_or(0, |metadata| metadata.len())
    }

    fn write_to_log(&mut self, text: &str) {
        self.finish_copy();
        // Once the writer has moved on, it does not come back.
        if let Some((_, Some(half))) = self.late.take() {
            self.expected.push(half);
        }
        self.world.append(LOG, text);
    }

    fn lines(&mut self, count: usize) {
        let mut text = String::new();
        if let Some(half) = self.half.take() {
            self.expected.push(half + " end");
            text += " end\n";
        }
        for _ in 0..count {
            let line = self.line();
            text = text + &line + "\n";
            self.expected.push(line);
        }
        let last = self.expected.len().checked_sub(1);
        self.write_to_log(&text);
        self.open = last;
    }

    fn more(&mut self) {
        self.finish_copy();
        if let Some(open) = self.open
            && self.half.is_none()
            && self.multiline
        {
            self.expected[open] += "\n  and more";
            self.write_to_log("  and more\n");
        }
    }

    fn late(&mut self) {
        if self.late.is_none() || self.log_size() > 0 {
            return;
        }
        let line = self.line();
        let Some((name, half)) = &mut self.late else { return };
        if let Some(half) = half.take() {
            self.world.append(name, " late\n");
            self.expected.push(half + " late");
        }
        self.world.append(name, &(line.clone() + "\n"));
        self.expected.push(line);
    }

    fn rename(&mut self) {
        self.finish_copy();
        if self.log_size() > 0 {
            let name = self.name();
            self.world.rename(LOG, &name);
            self.late = Some((name, self.half.take()));
            self.open = None;
        }
    }

    fn copy(&mut self) {
        if let Some((name, missing)) = &mut self.copying {
            if missing.is_empty() {
                self.finish_copy();
            } else {
                self.world.append(name, std::str::from_utf8(missing).unwrap());
                missing.clear();
            }
        } else if self.log_size() > 0 {
            if self.half.is_some() {
                self.lines(0);
            }
            let mut bytes = fs::read(self.world.path(LOG)).unwrap();
            let missing = bytes.split_off(self.numbers * 13 % bytes.len());
            let name = self.name();
            self.world.append(&name, std::str::from_utf8(&bytes).unwrap());
            self.copying = Some((name, missing));
        }
    }

    fn finish_copy(&mut self) {
        if let Some((name, missing)) = self.copying.take() {
            self.world.append(&name, std::str::from_utf8(&missing).unwrap());
            self.world.truncate(LOG);
            self.open = None;
        }
    }

    fn shift(&mut self) {
        self.finish_copy();
        if !self.rotated.is_empty() {
            let old = self.rotated.remove(self.numbers % self.rotated.len());
            let new = self.name();
            self.world.rename(&old, &new);
            if let Some((name, _)) = &mut self.late
                && *name == old
            {
                *name = new;
            }
        }
    }

    fn delete_log(&mut self) {
        self.finish_copy();
        if self.log_size() > 0 {
            self.world.scan();
            self.world.delete(LOG);
            self.expected.extend(self.half.take());
            self.open = None;
            self.deleted = true;
        }
    }

    fn delete_rotated(&mut self) {
        self.finish_copy();
        if !self.rotated.is_empty() {
            let name = self.rotated.remove(0);
            self.world.scan();
            self.world.delete(&name);
            self.deleted = true;
            if let Some((_, half)) = self.late.take_if(|(late, _)| *late == name) {
                self.expected.extend(half);
            }
        }
    }

    fn restart(&mut self) {
        self.world.scan();
        if self.deleted {
            self.world.settle();
            self.deleted = false;
        }
        self.world.restart();
        self.world.scan();
    }

    fn down(&mut self, steps: [Away; 4]) {
        // A file of which nothing was read is not known again.
        if self.log_size() == 0 {
            self.lines(1);
        }
        self.restart();
        self.world.restart();
        steps.into_iter().for_each(|step| self.away(step));
        self.lines(1);
        self.world.scan();
    }

    fn away(&mut self, step: Away) {
        match step {
            Away::Nothing => {}
            Away::Lines(count) => self.lines(count),
            Away::Rename => self.rename(),
            Away::CopyTruncate => (0..3).for_each(|_| self.copy()),
            Away::CompressLog if self.log_size() > 0 => {
                self.rename();
                let name = self.rotated.pop().expect("the log was just renamed");
                self.compress(&name);
            }
            Away::CompressRotated if !self.rotated.is_empty() => {
                self.finish_copy();
                let name = self.rotated.remove(self.numbers % self.rotated.len());
                self.compress(&name);
            }
            Away::Shift => self.shift(),
            Away::Start(reads) => {
                self.lines(1);
                self.world.scan();
                (0..reads).for_each(|_| _ = self.world.read_some());
                self.world.restart();
            }
            Away::CompressLog | Away::CompressRotated => {}
        }
    }

    /// Compresses a rotated file to which nothing is written any more.
    fn compress(&mut self, name: &str) {
        if let Some((_, half)) = self.late.take_if(|(late, _)| late == name) {
            self.expected.extend(half);
        }
        let extension = if self.number().is_multiple_of(2) { "gz" } else { "zst" };
        self.world.compress(name, &format!("{name}.{extension}"));
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Lines(count) => self.lines(count),
            Step::Half if self.half.is_none() => {
                let line = self.line();
                self.write_to_log(&line);
                self.half = Some(line);
            }
            Step::Half => self.lines(0),
            Step::More => self.more(),
            Step::Late => self.late(),
            Step::Rename => self.rename(),
            Step::Copy => self.copy(),
            Step::Shift => self.shift(),
            Step::DeleteLog => self.delete_log(),
            Step::DeleteRotated => self.delete_rotated(),
            Step::Scan => self.world.scan(),
            Step::Look => self.world.look(),
            Step::Read(times) => (0..times).for_each(|_| _ = self.world.read_some()),
            Step::Restart => self.restart(),
            Step::Down(steps) => self.down(steps),
        }
    }
}

fn check(multiline: bool, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model = Model::new(multiline);
    model.world.scan();
    for step in steps {
        model.apply(step);
    }
    model.lines(1);
    model.world.settle();
    // The last record might still have got another line.
    model.world.now += TIMEOUT;
    model.world.read();
    model.expected.sort();
    prop_assert_eq!(model.world.lines(), model.expected);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_comes_out_once(steps in prop::collection::vec(step(), 1..60)) {
        check(false, steps)?;
    }

    #[test]
    fn every_record_of_several_lines_comes_out_once(steps in prop::collection::vec(step(), 1..60)) {
        check(true, steps)?;
    }
}
