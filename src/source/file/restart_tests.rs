//! What happens to files while the program is not running, and which lines come out once it runs again.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

use super::StartAt;
use super::tests::World;
use crate::source::unpack::tests::gzip;

/// A log of which the first line is read, and a second one written while nothing runs.
fn stopped(change: impl FnOnce(&mut super::Options)) -> World {
    let mut world = World::with(&["app.log"], change);
    world.turn();
    world.append("app.log", "one\n");
    world.turn();
    world.restart();
    world.append("app.log", "two\n");
    world
}

fn at_end(options: &mut super::Options) {
    options.start_at = StartAt::End;
}

/// Nothing is left to read, and a second restart finds nothing either.
#[track_caller]
fn check(mut world: World, lines: &[&str]) {
    world.settle();
    world.check(lines);
    assert_eq!(world.out.errors, [] as [&str; 0]);
    world.restart();
    world.settle();
    world.check(lines);
    assert_eq!(world.out.errors, [] as [&str; 0]);
}

#[test]
fn compressed_in_every_way() {
    let names = ["app.log.1.gz", "app.log.gz", "app.log.2.zst", "app.log-20261121.gz", "app-20261121.log.gz"];
    for name in names {
        let world = stopped(at_end);
        world.append("app.log", "three, without its end");
        world.compress("app.log", name);
        world.append("app.log", "four\n");
        check(world, &["four", "one", "three, without its end", "two"]);
    }
}

#[test]
fn compressed_when_all_of_it_was_read() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "one\n");
    world.turn();
    world.restart();
    world.compress("app.log", "app.log.1.gz");
    world.settle();
    world.check(&["one"]);
    assert_eq!((world.open_lanes(), world.out.positions.len()), (0, 0));
}

#[test]
fn compressed_without_a_file_in_its_place() {
    let world = stopped(at_end);
    world.compress("app.log", "app.log.1.gz");
    check(world, &["one", "two"]);
}

#[test]
fn patterns_that_exclude_compressed_files_do_not_hide_them() {
    let world = stopped(|options| options.exclude = vec!["*.gz".to_owned()]);
    world.compress("app.log", "app.log.1.gz");
    check(world, &["one", "two"]);
}

#[test]
fn compressed_files_of_which_nothing_is_known_are_not_read() {
    let mut world = World::new(&["app.log"]);
    world.append("old", "older\n");
    world.compress("old", "app.log.2.gz");
    world.append("app.log", "one\n");
    world.turn();
    world.restart();
    world.append("app.log", "two\n");
    world.compress("app.log", "app.log.1.gz");
    world.append("app.log", "three\n");
    check(world, &["one", "three", "two"]);
}

#[test]
fn a_neighbour_whose_name_says_more_than_a_number_is_another_log() {
    let world = stopped(at_end);
    world.rename("app.log", "app.log.1");
    world.append("app-debug.log", "not asked for\n");
    world.append("app.log", "three\n");
    check(world, &["one", "three", "two"]);
}

#[test]
fn rotated_many_times() {
    let world = stopped(at_end);
    for (line, to) in [("three\n", "app.log.3"), ("four\n", "app.log.2"), ("five\n", "app.log.1")] {
        world.rename("app.log", to);
        world.append("app.log", line);
    }
    check(world, &["five", "four", "one", "three", "two"]);
}

#[test]
fn rotated_and_compressed_many_times() {
    let world = stopped(at_end);
    for (line, to) in [("three\n", "app.log.3.gz"), ("four\n", "app.log.2.zst"), ("five\n", "app.log.1.gz")] {
        world.compress("app.log", to);
        world.append("app.log", line);
    }
    check(world, &["five", "four", "one", "three", "two"]);
}

#[test]
fn rotated_many_times_and_compressed_but_for_the_last_time() {
    let world = stopped(at_end);
    world.compress("app.log", "app.log.3.gz");
    world.append("app.log", "three\n");
    world.compress("app.log", "app.log.2.gz");
    world.append("app.log", "four\n");
    world.rename("app.log", "app.log.1");
    world.append("app.log", "five\n");
    check(world, &["five", "four", "one", "three", "two"]);
}

#[test]
fn copied_and_truncated_many_times() {
    let world = stopped(at_end);
    for (line, to) in [("three\n", "app.log.3"), ("four\n", "app.log.2"), ("five and longer\n", "app.log.1")]
    {
        world.copy("app.log", to);
        world.truncate("app.log");
        world.append("app.log", line);
    }
    check(world, &["five and longer", "four", "one", "three", "two"]);
}

#[test]
fn copied_truncated_and_compressed() {
    let world = stopped(at_end);
    world.copy("app.log", "app.log.1");
    world.truncate("app.log");
    world.compress("app.log.1", "app.log.1.gz");
    world.append("app.log", "three, and longer than what was there\n");
    check(world, &["one", "three, and longer than what was there", "two"]);
}

#[test]
fn copied_truncated_and_rotated() {
    let world = stopped(at_end);
    world.copy("app.log", "app.log.2");
    world.truncate("app.log");
    world.append("app.log", "three\n");
    world.rename("app.log", "app.log.1");
    world.append("app.log", "four\n");
    check(world, &["four", "one", "three", "two"]);
}

#[test]
fn copied_truncated_and_deleted() {
    let world = stopped(at_end);
    world.copy("app.log", "app.log.2");
    world.delete("app.log");
    world.append("app.log", "three\n");
    check(world, &["one", "three", "two"]);
}

#[test]
fn a_copy_whose_name_is_included_as_well() {
    let mut world = World::new(&["*.log"]);
    world.append("app.log", "one\n");
    world.turn();
    world.restart();
    world.append("app.log", "two\n");
    world.copy("app.log", "app-1.log");
    world.truncate("app.log");
    world.append("app.log", "three\n");
    world.settle();
    world.check(&["one", "three", "two"]);
}

#[test]
fn an_inode_that_another_file_has_now() {
    // Written in place, so that it is the same inode for certain.
    let world = stopped(at_end);
    world.copy("app.log", "app.log.1");
    world.compress("app.log.1", "app.log.1.gz");
    fs::write(world.path("app.log"), "three\n").unwrap();
    check(world, &["one", "three", "two"]);
}

#[test]
fn a_compressed_file_beside_the_original_is_left_alone() {
    for plain in ["app.log", "app.log.1"] {
        let world = stopped(at_end);
        world.copy("app.log", "copy");
        world.compress("copy", "app.log.1.gz");
        if plain != "app.log" {
            world.rename("app.log", plain);
            world.append("app.log", "three\n");
        } else {
            world.append("app.log", "three\n");
        }
        check(world, &["one", "three", "two"]);
    }
}

/// Long enough to be unpacked in many blocks.
fn long_text() -> String {
    (0..20_000_u64).map(|number| format!("line {}\n", number * 7_919 % 104_729)).collect()
}

/// A log that was compressed while nothing ran, of which `share` of a hundred bytes are there so far.
fn half_packed(share: usize) -> (World, Vec<u8>, Vec<String>) {
    let mut world = World::with(&["app.log"], |options| options.framing.limits.block_bytes = 1000);
    let text = long_text();
    world.append("app.log", &text[..5000]);
    world.turn();
    world.restart();
    world.delete("app.log");
    let packed = gzip(text.as_bytes());
    fs::write(world.path("app.log.1.gz"), &packed[..packed.len() * share / 100]).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    (world, packed, lines)
}

#[test]
fn a_compressed_file_that_is_still_being_written() {
    for share in [0, 1, 50, 99] {
        let (mut world, packed, lines) = half_packed(share);
        let start = packed.len() * share / 100;
        let mut file = OpenOptions::new().append(true).open(world.path("app.log.1.gz")).unwrap();
        for part in packed[start..].chunks(10_000) {
            world.turn();
            assert!(world.lines().len() < lines.len());
            file.write_all(part).unwrap();
        }
        world.settle();
        assert!(world.lines() == lines, "{share}");
        assert_eq!((world.out.errors.len(), world.out.positions.len()), (0, 0));
    }
}

#[test]
fn a_restart_in_the_midst_of_a_compressed_file() {
    let (mut world, _, lines) = half_packed(100);
    for _ in 0..20 {
        world.scan();
        for _ in 0..20 {
            world.read_some();
        }
        world.restart();
    }
    assert!(world.lines().len() < lines.len());
    world.settle();
    assert!(world.lines() == lines);
}

#[test]
fn a_broken_compressed_file_keeps_the_position_until_it_is_gone() {
    let (mut world, packed, lines) = half_packed(60);
    world.settle();
    world.now += Duration::from_secs(100_000);
    world.settle();
    assert_eq!(world.out.errors, ["file_corrupt"]);
    assert_eq!(world.out.positions.len(), 1);
    world.restart();
    fs::write(world.path("app.log.1.gz"), &packed).unwrap();
    world.settle();
    assert!(world.lines() == lines);
    let (mut world, ..) = half_packed(60);
    world.settle();
    world.delete("app.log.1.gz");
    world.settle();
    assert_eq!(world.out.errors, ["file_corrupt", "file_gone"]);
    assert_eq!((world.out.positions.len(), world.open_lanes()), (0, 0));
}

#[test]
fn a_compressed_file_that_is_too_short_is_another_one() {
    let head = "the same line\n".repeat(100);
    for right_is_there in [false, true] {
        let mut world = World::new(&["app.log"]);
        world.append("app.log", &head);
        world.append("app.log", "one\n");
        world.turn();
        world.restart();
        world.append("app.log", "two\n");
        world.compress("app.log", "right");
        world.append("newer", &head);
        world.compress("newer", "app.log.1.gz");
        if right_is_there {
            world.rename("right", "app.log.2.gz");
        }
        world.settle();
        assert_eq!(world.lines().len(), if right_is_there { 102 } else { 101 });
        if !right_is_there {
            world.rename("right", "app.log.2.gz");
        }
        world.settle();
        assert_eq!(world.lines().len(), 102);
        assert_eq!(world.out.errors, [] as [&str; 0]);
    }
}

#[test]
fn a_plain_file_that_is_too_short_gives_way_to_a_compressed_one() {
    let head = "the same line\n".repeat(100);
    let mut world = World::new(&["app.log"]);
    world.append("app.log", &(head.clone() + "one\n"));
    world.turn();
    world.restart();
    world.append("app.log.2", &head);
    world.append("app.log", "two\n");
    world.compress("app.log", "app.log.1.gz");
    world.settle();
    assert_eq!(world.lines().len(), 102);
}

#[test]
fn of_files_that_could_both_be_it_the_newest_is_taken() {
    let ambiguous = |other: &str| {
        let mut world = World::new(&["app.log"]);
        world.append("app.log", "head\n");
        world.turn();
        world.restart();
        world.append("old", other);
        world.compress("old", "app.log.2.gz");
        world.append("app.log", "two\n");
        world.compress("app.log", "app.log.1.gz");
        world.settle();
        world.check(&["head", "two"]);
        world.out.errors
    };
    assert_eq!(ambiguous("head\nold\n"), ["file_copy_ambiguous"]);
    assert!(ambiguous("head\ntwo\n").is_empty());
}

#[test]
fn what_is_deleted_is_forgotten_after_an_hour() {
    let mut world = stopped(|_| {});
    world.delete("app.log");
    world.append("app.log", "three\n");
    world.settle();
    world.check(&["one", "three"]);
    assert_eq!(world.out.positions.len(), 2);
    world.now += Duration::from_secs(3600);
    world.scan();
    assert_eq!(world.out.errors, ["file_gone"]);
    assert_eq!((world.out.positions.len(), world.open_lanes()), (1, 1));
}

#[test]
fn what_takes_the_place_of_a_deleted_file_is_read_from_its_beginning() {
    let mut world = stopped(at_end);
    // The new file is there before the old one is gone, so that it has another inode.
    world.append("new", "three\n");
    world.rename("new", "app.log");
    world.settle();
    world.check(&["one", "three"]);
}

#[test]
fn nothing_is_forgotten_while_a_directory_cannot_be_read() {
    let mut world = World::new(&["logs/*.log"]);
    fs::create_dir(world.path("logs")).unwrap();
    world.append("logs/app.log", "one\n");
    world.turn();
    world.restart();
    world.append("logs/app.log", "two\n");
    // A loop of links cannot be listed, not even by root.
    world.rename("logs", "elsewhere");
    std::os::unix::fs::symlink(world.path("logs"), world.path("logs")).unwrap();
    world.settle();
    world.now += Duration::from_secs(100_000);
    world.settle();
    assert_eq!(world.out.positions.len(), 1);
    world.delete("logs");
    world.rename("elsewhere", "logs");
    world.settle();
    world.check(&["one", "two"]);
    assert_eq!(world.open_lanes(), 1);
}

#[test]
fn a_file_of_which_nothing_was_read_is_forgotten_at_once() {
    let mut world = World::new(&["app.log"]);
    world.append("app.log", "");
    world.turn();
    assert_eq!(world.out.positions.len(), 1);
    world.restart();
    world.delete("app.log");
    world.scan();
    assert_eq!(world.out.positions.len(), 0);
    assert_eq!(world.out.errors, [] as [&str; 0]);
}

#[test]
fn a_device_that_was_numbered_anew() {
    for start_at in [StartAt::Beginning, StartAt::End] {
        let mut world = stopped(|options| options.start_at = start_at);
        let positions = std::mem::take(&mut world.out.positions).into_iter().map(|(key, position)| {
            let (device, rest) = key.split_once(':').unwrap();
            (format!("{}:{rest}", device.parse::<u64>().unwrap() + 1), position)
        });
        world.out.positions = positions.collect();
        world.settle();
        world.check(&["one", "two"]);
        world.append("app.log", "three\n");
        check(world, &["one", "three", "two"]);
    }
}
